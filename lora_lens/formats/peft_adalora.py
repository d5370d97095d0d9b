"""AdaLoRA as PEFT saves it: ΔW = s·B·diag(E)·A, a rank of its own for every module."""

from __future__ import annotations

import math
import re

from ..errors import AdapterError
from ..files.peft_names import plain
from ..updates import Factor, LowRank
from .adapter_files import AdapterFiles
from .factors.derived import rows_weighted
from .factors.factor_pairs import check_not_empty, check_partners, factors_by_path
from .format import Checkpoint, Format, of_factors
from .peft.known import unknown_said
from .peft.names import reason_left_out
from .peft.settings import ADALORA_EPSILON

# Parameters, not layers, so that their names do not end in ``weight``.
_FACTOR = re.compile(r"(?P<path>.+)\.lora_(?P<factor>[ABE])(?:\.(?P<adapter>[^.]+))?")
# What α is divided by; PEFT saves it with a whole model's state alone.
_RANK = re.compile(r"(?P<path>.+)\.ranknum(?:\.[^.]+)?")


def _matches(files: AdapterFiles) -> bool:
    found = {match["factor"] for name in files.names if (match := _FACTOR.fullmatch(plain(name)))}
    return files.config.get("peft_type") == "ADALORA" and found == {"A", "B", "E"}


def _read(files: AdapterFiles) -> Checkpoint:
    factors, _ = factors_by_path(files, _FACTOR)
    check_partners(files.source, factors, "ABE")
    ranks = {
        match["path"]: name
        for name in sorted(files.names)
        if (match := _RANK.fullmatch(plain(name))) and match["path"] in factors
    }
    updates: dict[str, LowRank] = {}
    left_out: dict[str, str] = {}
    for path, found in factors.items():
        names = (*found.values(), *([ranks[path]] if path in ranks else []))
        if files.shape(found["E"]) == (0, 1):
            why = "AdaLoRA has pruned this module to rank 0: its ΔW is zero"
            left_out |= dict.fromkeys(names, why)
            continue
        check_not_empty(files, found.values())
        a = _scaled(files.factor(found["A"]), files.factor(found["E"]))
        s = _scaling(files, a.shape[0], ranks.get(path))
        updates[path] = LowRank(a, files.factor(found["B"]), s, names)
    return of_factors(
        files,
        updates,
        method="adalora",
        title="AdaLoRA",
        why=lambda name: reason_left_out(name, files.config),
        left_out=left_out,
        caveats=tuple(unknown_said(files.config)),
    )


def _scaled(a: Factor, e: Factor) -> Factor:
    """diag(E)·A, whose rows are A's, each times its own of E."""
    if e.shape != (a.shape[0], 1):
        raise AdapterError(
            f"{e.name} has shape {e.shape}, expected {(a.shape[0], 1)} as of {a.name}"
        )
    return rows_weighted(a, e)


def _scaling(files: AdapterFiles, rank: int, said: str | None) -> float:
    """PEFT divides α by the rank that every module began with, whatever `rank` is left of it, and which a tensor may say."""
    alpha, begun = files.config.get("lora_alpha", 8), files.config.get("init_r", 12)
    if said is not None:
        begun = files.number(said)
    if (
        not all(isinstance(n, (int, float)) and math.isfinite(n) for n in (alpha, begun))
        or begun < 0
    ):
        raise AdapterError(
            f"{files.source} says lora_alpha {alpha!r} and {said or 'init_r'} {begun!r}, expected numbers"
        )
    return (alpha if alpha > 0 else float(rank)) / (begun + ADALORA_EPSILON)


FORMAT = Format(
    name="peft_adalora",
    title="PEFT's AdaLoRA",
    matches=_matches,
    read=_read,
    cannot="embeddings are left out; convolutions are the matrices that PEFT has them as",
)
