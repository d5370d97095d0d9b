"""A model in memory, as the files that it would be saved as: whatever reads those reads it.

Neither peft nor transformers is loaded for it; a live model has loaded what it is made by.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from ...bases.configuration import configuration_of
from ...bases.live import IN_MEMORY, LiveWeights
from ...errors import AdapterError
from ...files.peft_names import plain
from ...files.tensors import in_memory
from ...several import counted
from ..adapter_files import AdapterFiles
from ..format import Checkpoint
from ..peft.methods import METHODS
from ..peft.settings import changed_base
from .adalora import with_regrown
from .layers import (
    adapted_layers,
    adapters_on,
    base_of,
    check_live,
    chosen_adapter,
    configurations,
    is_lora,
    scales_of,
    unwrapped,
)
from .merged import live_of

_INNER = ".base_layer"  # within the layer of another method or parameter
# What the components of an adapter's tensors begin with, in the base model's layers.
_OF_ADAPTERS = ("lora_", "modules_to_save", *(one.prefix for one in METHODS.values()))


def live_files(
    model: Any, base: str | Path | None = None, adapter: str | None = None
) -> AdapterFiles:
    """A model's adapter as the files that it would be saved as, its numbers in memory.

    Args:
        model: As in `load_adapter`.
        base: In the place of the model's own W0.
        adapter: Which, of several.

    Raises:
        AdapterError: There is none, or several are active, or its update is not s·B·A, or it is merged.
    """
    model = unwrapped(model)
    layers = adapted_layers(model)
    name = chosen_adapter(layers, adapter)
    own = {path: layer for path, layer in layers.items() if name in adapters_on(layer)}
    check_live(model, own, name)
    config, tensors = _contents(model, name, own)
    made = None
    if not all(map(is_lora, own.values())):
        made = live_of(own, configurations(model).get(name), name)
    tensors = with_regrown(tensors, own, name)
    inner = base_of(model)
    source = f"{type(inner).__name__}:{name}"
    as_json = getattr(getattr(inner, "config", None), "to_json_string", None)
    weights = LiveWeights(
        f"{_loaded_from(inner) or config.get('base_model_name_or_path') or type(inner).__name__}{IN_MEMORY}",
        in_memory(source, dict(_weights(inner))),
        configuration_of(json.loads(as_json()) if callable(as_json) else {}),
        notes=tuple(_begun_by_others(model, layers, own, name)),
        layers=_holders(inner),
    )
    return AdapterFiles(
        source,
        config,
        None,
        in_memory(source, tensors),
        str(base) if base else None,
        live=weights,
        scales={
            place: s
            for path, layer in own.items()
            for place, s in scales_of(path, layer, name).items()
        },
        made=made,
    )


def _loaded_from(inner: Any) -> str | None:
    """What transformers read a model from, which need not be what an adapter that was put on it names."""
    found = getattr(inner, "name_or_path", None)
    return found if isinstance(found, str) else None


def _begun_by_others(
    model: Any, layers: Mapping[str, Any], own: Mapping[str, Any], name: str
) -> Iterator[str]:
    """What is said of W0 from which another adapter took its B₀·A₀, or which it quantised; an embedding's it leaves."""
    paths = {path.replace(_INNER, "") for path in own}
    for other, config in configurations(model).items():
        scheme = changed_base({"init_lora_weights": getattr(config, "init_lora_weights", None)})
        on = {
            p.replace(_INNER, "")
            for p, one in layers.items()
            if other in getattr(one, "lora_A", ())
        }
        if scheme and other != name and (count := len(paths & on)):
            yield (
                f"W0 of {counted(count, 'module')} is what the model holds, which its adapter {other!r} changed when it was added, beginning "
                f"by {scheme!r}: give the base model for W0 as it was"
            )


def check_scales(files: AdapterFiles, found: Checkpoint) -> None:
    """Refuse a model whose layers scale their update otherwise than it would be saved.

    Raises:
        AdapterError: ``set_scale`` or the like was called.
    """
    for path, update in found.updates.items():
        live = files.scales.get(path)
        if live is not None and abs(live - update.scaling) > 1e-6 * abs(update.scaling):
            # Without a factor it divides α by the rank, which AdaLoRA's layers do besides.
            back = f"{live / update.scaling:g}" if live and found.method == "adalora" else ""
            raise AdapterError(
                f"{path} scales its update by {live:g} now, and its configuration by "
                f"{update.scaling:g}, which is what would be saved; call unscale_layer({back}), or set lora_alpha"
            )


def _contents(
    model: Any, name: str, own: Mapping[str, Any]
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Configuration and tensors, as the model would save them."""
    as_saved = getattr(model, "as_saved", None)
    found = as_saved(name) if callable(as_saved) else None
    if found is not None:
        return found
    config = configurations(model).get(name)
    library = sys.modules.get("peft")
    if config is None or library is None:
        raise AdapterError(
            f"the model has LoRA layers of {name!r}, and no peft_config that says its settings"
        )
    tensors = library.get_peft_model_state_dict(
        model, adapter_name=name, save_embedding_layers=False
    )
    _check_whole(model, tensors, [path for path, layer in own.items() if is_lora(layer)], name)
    # As this PEFT would save it; of an adapter that it loaded, PEFT keeps another's version.
    version = {"peft_version": library.__version__}
    return _settings(model, config) | version, tensors


def _check_whole(model: Any, tensors: Iterable[str], layers: Sequence[str], name: str) -> None:
    """Refuse what PEFT would save without some layers: it drops every tensor with another adapter's name in its path."""
    held = "\n".join(f".{tensor}" for tensor in tensors)
    if lost := [path for path in layers if f".{path}." not in held]:
        others = ", ".join(repr(one) for one in configurations(model) if one != name)
        raise AdapterError(
            f"{lost[0]} has factors of {name!r} that PEFT would not save: it takes a name within a path for an adapter's, here one "
            f"of {others}; delete the other adapters, or give them names that are in no path"
        )


def _settings(model: Any, config: Any) -> dict[str, Any]:
    """As ``adapter_config.json`` would have them."""
    inner = base_of(model)
    found = {key: _as_json(value) for key, value in config.to_dict().items()}
    if not found.get("base_model_name_or_path"):
        found["base_model_name_or_path"] = getattr(inner, "name_or_path", None) or None
    if not found.get("task_type"):
        found["auto_mapping"] = {"parent_library": type(inner).__module__}
    return found


def _as_json(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    return sorted(value) if isinstance(value, (set, frozenset)) else value


def _holders(inner: Any) -> dict[str, Any]:
    """Path of every module that has a matrix of its own; PEFT's layer in the place of what it wraps."""
    found: dict[str, Any] = {}
    for path, module in inner.named_modules():
        wrapping = hasattr(module, "get_base_layer")
        if wrapping or getattr(getattr(module, "weight", None), "ndim", 0) == 2:
            found.setdefault(plain(path), module)
    return found


def _weights(inner: Any) -> Iterator[tuple[str, Any]]:
    """The base's tensors by the names that its files would have."""
    for name, tensor in inner.state_dict().items():
        parts = plain(name).split(".")
        if not any(part.startswith(_OF_ADAPTERS) for part in parts):
            yield ".".join(p for p in parts if p not in ("base_layer", "original_module")), tensor
