"""What PEFT's merge adds to W0, layer by layer, with PEFT's own layers on stand-ins of the base's.

The only module here that loads PEFT (the extra ``convert``). A layer of the base is stood in for by zeros of
its shape that take no memory, unless ΔW is made of W0.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ...arrays import Tensor
from ...errors import AdapterError, LensError
from ...files.peft_names import plain
from ..adapter_files import AdapterFiles, Live
from ..factors.factored import Factored, factored
from .as_trained import rule_of, settings_of
from .methods import Contents
from .patterns import Rule
from .stand_ins import StandIn, stand_ins, tree

_NEEDED = (0, 21)
_PIP = 'pip install "lora-lens[convert]"'
# Whatever the target modules were chosen by, the stand-ins are these.
_CHOICE = {
    "layers_to_transform": None,
    "layers_pattern": None,
    "exclude_modules": None,
    "modules_to_save": None,
    "base_model_name_or_path": None,
    "revision": None,
    "task_type": None,
    "auto_mapping": None,
    "inference_mode": False,
    "bias": "none",
}
# Sizes by which PEFT makes tensors; none is above what the file holds.
_SIZES = ("r", "u", "n_frequency", "num_vectors", "vector_length", "block_size", "theta_d_length", "mini_r",
          "gralora_k", "hybrid_r", "topk", "decompose_factor")  # fmt: skip

_MOST_KEPT = 1 << 31  # numbers of all factors: 8 GiB


@dataclass(frozen=True)
class Merged:
    """All layers.

    Attributes:
        layers: Module path to what was added.
        trainable_parameters: How many numbers PEFT trains.
        version: PEFT's.
        notes: What a reader should know, a sentence each.
        known: The settings that PEFT has of the method.
    """

    layers: Mapping[str, Factored]
    trainable_parameters: int
    version: str
    notes: tuple[str, ...]
    known: frozenset[str]


def merged(files: AdapterFiles, found: Contents) -> Merged:
    """ΔW of every layer, factored.

    Raises:
        AdapterError: PEFT is not installed or too old; or the base is needed and not there; or PEFT
            finds that tensors and configuration do not go together.
        BaseModelError: The base is needed and does not fit.
    """
    import torch

    if files.made is not None:
        return _of_live(files, found, files.made)
    peft, version = _library(files, found.method.title)
    _check_sizes(files, found)
    with _as_ours(files, found.method.title):
        layers, notes = stand_ins(files, found)
    with torch.random.fork_rng(devices=[]), torch.no_grad(), _as_ours(files, found.method.title):
        tuned = peft.get_peft_model(tree(layers), _config(peft, files, found, list(layers)))
        tuned.eval()
        _load(peft, tuned, files, found)
        trained = sum(one.numel() for one in tuned.parameters() if one.requires_grad)
        result: dict[str, Factored] = {}
        for path, delta in _deltas(tuned, layers):
            result[path] = factored(delta, path)
            _check_kept(files, found, result, len(layers))
    return Merged(result, trained, version, tuple(notes), _known(_kind(peft, found)))


def _of_live(files: AdapterFiles, found: Contents, live: Live) -> Merged:
    """Of a model in memory, whose own layers merge."""
    import peft

    result: dict[str, Factored] = {}
    with _as_ours(files, found.method.title):
        for path, delta in live.deltas.items():
            result[path] = factored(delta(), path)
            _check_kept(files, found, result, len(live.deltas))
    return Merged(result, live.trained, str(peft.__version__), (), frozenset(files.config))


def _check_kept(
    files: AdapterFiles, found: Contents, result: Mapping[str, Factored], layers: int
) -> None:
    kept = sum(math.prod(one.a.shape) + math.prod(one.b.shape) for one in result.values())
    if kept > _MOST_KEPT:
        raise AdapterError(
            f"{files.source} is {found.method.title}, whose ΔW has so high a rank that factors of "
            f"{len(result)} of its {layers} layers are over 8 GiB; it is not read"
        )


def _library(files: AdapterFiles, title: str) -> tuple[Any, str]:
    """PEFT and its version."""
    try:
        import peft
    except ImportError:
        raise AdapterError(
            f"{files.source} is {title}, whose ΔW PEFT knows: {_PIP}, which brings PEFT 0.21 or later"
        ) from None
    version = str(peft.__version__)
    words = version.split(".")[:2]
    if not all(word.isdecimal() for word in words) or tuple(map(int, words)) < _NEEDED:
        raise AdapterError(
            f"{files.source} is {title}, whose ΔW PEFT 0.21 or later knows, and here is {version}: {_PIP}"
        )
    return peft, version


@contextmanager
def _as_ours(files: AdapterFiles, title: str) -> Iterator[None]:
    """PEFT's warnings are of training; what it raises about a file is said in one line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except LensError:
        raise
    except Exception as error:  # PEFT raises whatever a broken configuration leads it to
        first = " ".join(str(error).split())
        raise AdapterError(
            f"PEFT cannot make {title} of {files.source}: {type(error).__name__}: {first[:300]}; are its configuration "
            f"and its tensors of one adapter, and is the base its own?"
        ) from None


def _check_sizes(files: AdapterFiles, found: Contents) -> None:
    """Refuse a configuration that would have PEFT make more than the file can hold."""
    most = max(4096, sum(math.prod(files.shape(name)) for name in found.names))
    for key in _SIZES:
        value = files.config.get(key)
        if isinstance(value, (int, float)) and not -1 <= value <= most:
            raise AdapterError(f"{files.source} says {key} {value!r}, more than its tensors hold")


def _config(peft: Any, files: AdapterFiles, found: Contents, paths: list[str]) -> Any:
    """PEFT's configuration, of these modules."""
    kind = _kind(peft, found)
    known = _known(kind)
    said = {**files.config, **_CHOICE, "target_modules": paths}
    # PEFT is given no expression of a stranger's: each module has its own entry.
    patterns = sorted(key for key in known - {"layers_pattern"} if key.endswith("_pattern"))
    rule = rule_of(files.config)
    for key, values in settings_of(files, patterns, paths).items():
        said[key] = _by_path(values, rule)
    return kind(
        **{key: value for key, value in said.items() if key in known and key != "peft_type"}
    )


def _kind(peft: Any, found: Contents) -> Any:
    """The class of the method's configurations."""
    return peft.mapping.PEFT_TYPE_TO_CONFIG_MAPPING[peft.PeftType(found.peft_type)]


def _known(kind: Any) -> frozenset[str]:
    from dataclasses import fields

    return frozenset(field.name for field in fields(kind) if field.init)


def _by_path(values: Mapping[str, float], rule: Rule) -> dict[str, float]:
    """Entries that give every module its own value; those of paths without a dot are last."""
    ordered = sorted(values, key=lambda path: "." not in path)
    return {_exactly(path, rule): values[path] for path in ordered}


def _exactly(path: str, rule: Rule) -> str:
    """An expression of one path alone, for PEFT's two ways: of what follows a dot (FourierFT, C3A), or of the whole."""
    parent, dot, last = path.rpartition(".")
    if not dot:
        return f"^{re.escape(path)}" if rule.at_start else path
    return rf"(?<=^{re.escape(parent)}\.){re.escape(last)}"


def _load(peft: Any, tuned: Any, files: AdapterFiles, found: Contents) -> None:
    tensors = {}
    for name in found.names:
        own = plain(name)
        tensors[own if own.startswith("base_model.") else f"base_model.model.{own}"] = (
            files.tensors.get(name)
        )
    loaded = peft.set_peft_model_state_dict(tuned, tensors)
    # What all layers share is at the same place in memory under every layer's name.
    places = {name: tensor.data_ptr() for name, tensor in tuned.state_dict().items()}
    filled = {place for name, place in places.items() if name not in set(loaded.missing_keys)}
    lacking = [
        name
        for name in loaded.missing_keys
        if found.method.prefix in name and places.get(name) not in filled
    ]
    if lacking or loaded.unexpected_keys:
        which = (lacking or loaded.unexpected_keys)[0]
        what = "lacks" if lacking else "has, and its configuration does not know,"
        raise AdapterError(f"{files.source} {what} {which}")


def _deltas(tuned: Any, layers: Mapping[str, StandIn]) -> Iterator[tuple[str, Tensor]]:
    """ΔW of each layer in turn, as (out, in), in float64; one at a time is in memory."""
    import torch

    for path, stand_in in layers.items():
        layer = tuned.get_base_model().get_submodule(path)
        weight = layer.get_base_layer().weight
        before = weight.data
        w0 = before.double()
        layer.double()
        weight.data = torch.clone(w0, memory_format=torch.contiguous_format)
        layer.merge()
        delta = layer.get_base_layer().weight.data - w0
        layer.get_base_layer().weight.data = before
        yield path, stand_in.as_matrix(delta)
