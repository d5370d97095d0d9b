"""CondLoRA → plain LoRA, exactly: every layer's A_cond and B_cond, as PEFT writes them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..adapter import Adapter
from ..bases.live import IN_MEMORY
from ..errors import AdapterError
from ..files.locate import user_path
from ..files.peft_names import CONFIG, PEFT_PREFIX, WEIGHTS
from ..files.saving import save_tensors
from ..formats.adapter_files import AdapterFiles
from ..formats.format import Checkpoint, format_of
from ..formats.live.layers import is_live
from ..formats.live.model import check_scales, live_files
from ..formats.loading import Model, low_rank
from ..formats.opening import open_adapter
from ..ledger import one_command
from ..plain_torch import in_plain_torch
from ..staging import staged
from ..updates import FromW0, LowRank
from .free import check_free

FILES = (CONFIG, WEIGHTS)
_INNER_BIAS = ".base_layer.bias"  # how a trained bias's name ends where PEFT has wrapped its layer


@in_plain_torch
@one_command()
def export_lora(
    path: Adapter | str | Path | Model, out: str | Path, base: str | Path | None = None
) -> Path:
    """Write a CondLoRA adapter as an ordinary LoRA checkpoint that stock PEFT loads.

    A and B are computed in float64 and stored in float32; heads trained in full come along as they
    are. The configuration names the base that A and B are made of. vLLM and other tools that read PEFT's format read it too.

    Args:
        path: The CondLoRA adapter: from `load_adapter`, or what that takes.
        out: Folder to write to; it must not hold an adapter yet.
        base: As in `load_adapter`.

    Returns:
        `out`.

    Raises:
        AdapterError: The adapter is no CondLoRA, or `out` holds an adapter.
        OutputError: `out` cannot be written.

    Example:
        >>> import tempfile
        >>> import lora_lens as ll
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     out = ll.export_lora(ll.demo_adapter("condlora"), f"{folder}/plain")
        ...     ll.load_adapter(out).method
        'lora'
    """
    target = user_path(out)
    files = _opened(path, base)
    found = format_of(files).read(files)
    if files.live is not None:
        check_scales(files, found)
    if not any(isinstance(update, FromW0) for update in found.updates.values()):
        if any(getattr(one, "magnitude", None) is not None for one in found.updates.values()):
            raise AdapterError(
                f"{files.source} is {found.title}, whose ΔW no two factors make: what it was made by loads it as it is, and merges it"
            )
        raise AdapterError(
            f"{files.source} is {found.title}, and has no θ to make factors of: what it was made by loads it as it is"
        )
    with staged(
        target, last=CONFIG, check=partial(check_free, target, CONFIG), result=True
    ) as folder:
        updates = low_rank(files, found)
        config = {
            **found.settings,
            **_base_used(files),
            "peft_type": "LORA",
            "target_modules": sorted(updates),
        }
        tensors = _tensors(files, found, updates)
        save_tensors(tensors, folder / WEIGHTS, {"format": "pt"})
        text = json.dumps(config, indent=2, sort_keys=True)
        (folder / CONFIG).write_text(text + "\n", encoding="utf-8")
    return target


def _opened(given: Adapter | str | Path | Model, base: str | Path | None) -> AdapterFiles:
    if not isinstance(given, Adapter):
        return live_files(given, base) if is_live(given) else open_adapter(given, base)
    if given.live is not None:
        raise AdapterError(
            f"{given.source} was read from a model in memory; export that model, not what was read of it"
        )
    named = given.base_model if given.base_given else None
    revision = f"@{given.revision}" if named and given.revision else ""
    return open_adapter(given.source, base or (named and named + revision))


def _base_used(files: AdapterFiles) -> dict[str, Any]:
    """What the configuration says of the base: the one that A and B are made of, as it was named."""
    named, revision = files.base_model, files.revision
    if named is None:
        return {}
    if files.live is not None and files.base_given is None:
        loaded = files.live.source.removesuffix(IN_MEMORY)
        named, revision = loaded, revision if loaded == named else None
    # PEFT takes ~ for a folder's name.
    return {"base_model_name_or_path": os.path.expanduser(named), "revision": revision}  # noqa: PTH111


def _tensors(
    files: AdapterFiles, found: Checkpoint, updates: Mapping[str, LowRank]
) -> dict[str, Tensor]:
    tensors = {new: files.tensors.get(name) for name, new in _beside(found, updates)}
    for path, update in updates.items():
        for letter, factor in (("A", update.a), ("B", update.b)):
            name = f"{PEFT_PREFIX}{path}.lora_{letter}.weight"
            tensors[name] = factor.read().to(torch.float32).contiguous()
    return tensors


def _beside(found: Checkpoint, updates: Mapping[str, LowRank]) -> Iterator[tuple[str, str]]:
    """What was trained beside the factors, and what PEFT calls it: the bias of a layer without an update is in no wrapped one."""
    for name in found.left_out:
        if name.startswith(PEFT_PREFIX):
            layer = name.removesuffix(_INNER_BIAS)
            bare = layer != name and layer.removeprefix(PEFT_PREFIX) not in updates
            yield name, f"{layer}.bias" if bare else name
