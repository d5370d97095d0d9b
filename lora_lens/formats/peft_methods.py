"""Fourteen methods of PEFT that are no LoRA, by PEFT itself: what its merge adds to W0, as two factors.

VeRA, LoHa, LoKr, VB-LoRA, RandLoRA, C3A, DeLoRA, FourierFT, GraLoRA, MiSS, PSOFT, TinyLoRA, UniLoRA and
WaveFT each have a ΔW of their own, which PEFT knows; its layers are made for it, on stand-ins of the base's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import AdapterError
from ..files.peft_names import plain
from ..updates import LowRank
from .adapter_files import AdapterFiles
from .factors.factor_pairs import check_not_empty
from .factors.one_model import check_one_model
from .format import Checkpoint, Format
from .peft.as_trained import patterns_said, scale_said
from .peft.known import unknown_said
from .peft.methods import METHODS, contents
from .peft.names import reason_left_out

# VB-LoRA's weights of all its vectors but the last, and the rotation of PSOFT: their names, and what says how many.
_NONE_AT_1 = {"_topk_weights": "topk", ".psoft_R": "r"}

if TYPE_CHECKING:
    from .peft.merged import Merged


def _read(files: AdapterFiles) -> Checkpoint:
    from .peft.merged import merged

    found = contents(files)
    if found is None:
        raise AdapterError(f"{files.source} holds no tensors of its method")
    check_one_model(files.source, found.names)
    check_not_empty(files, (name for name in found.names if not _is_none_at_1(files, name)))
    result = merged(files, found)
    updates = {
        path: LowRank(one.a, one.b, 1.0, (*found.layers.get(path, ()), *found.shared))
        for path, one in result.layers.items()
    }
    used = {name for update in updates.values() for name in update.tensors}
    notes, caveats = _notes(found.method.title, result), list[str]()
    if files.made is None:
        notes += patterns_said(files.config, result.layers)
        caveats += scale_said(files, result.layers)
        caveats += unknown_said(files.config, result.known, result.version)
    return Checkpoint(
        method=found.peft_type.lower(),
        title=found.method.title,
        updates=updates,
        left_out={name: reason_left_out(name, files.config) for name in sorted(files.names - used)},
        trainable_parameters=result.trainable_parameters,
        notes=tuple(notes),
        caveats=tuple(caveats),
    )


def _is_none_at_1(files: AdapterFiles, name: str) -> bool:
    """Whether a tensor has no numbers in its method, by a setting that is 1."""
    own = plain(name)
    return any(part in own and files.config.get(key) == 1 for part, key in _NONE_AT_1.items())


def _notes(title: str, result: Merged) -> list[str]:
    ranks = sorted({min(one.a.shape[0], *one.shape) for one in result.layers.values()})
    full = sum(one.a.shape[0] >= min(one.shape) for one in result.layers.values())
    error = max(one.error for one in result.layers.values())
    span = " to ".join(map(str, dict.fromkeys((ranks[0], ranks[-1]))))
    note = (
        f"{title}'s ΔW is what PEFT {result.version} adds to W0, factored by its singular values: rank {span} kept, "
        f"relative error at most {error:.1e}"
    )
    if full:
        note += f"; in {full} of {len(result.layers)} layers that is full rank, so that no few directions hold it"
    return [note, *result.notes]


FORMAT = Format(
    name="peft_methods",
    title=f"PEFT's {', '.join(one.title for one in METHODS.values())}",
    matches=lambda files: contents(files) is not None,
    read=_read,
    cannot="what is trained in full beside them is left out; embeddings are refused",
)
