"""Bases of all adapters of a place, kept until every pair has been seen; who has none is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from .places import Place
from .questions.question import One, OpenSpool, Rows
from .questions.spool import TensorSpool
from .settings import Settings


def spools_of(place: Place, settings: Settings, open_spool: OpenSpool) -> dict[str, TensorSpool]:
    """Bases by matrix: whole ones turned to ΔW's singular vectors, and those asked for where they differ."""
    dtype = getattr(torch, settings.dtype)
    sizes = {"right": place.in_features, "left": place.out_features}
    spools = {name: open_spool(d, dtype) for name, d in sizes.items()}
    own = {"A": "right", "B": "left"}
    if settings.rank is None:
        return spools | {matrix: spools[side] for matrix, side in own.items()}
    return spools | {matrix: open_spool(sizes[side], dtype) for matrix, side in own.items()}


def spool(ones: Sequence[One], spools: Mapping[str, TensorSpool], settings: Settings) -> Rows:
    """Keep their bases; a row for each that has none."""
    asked, deltas = settings.rank, [one.delta for one in ones]
    if not spools:
        return
    _keep(spools["right"], [delta.right for delta in deltas])
    _keep(spools["left"], [delta.left for delta in deltas])
    for matrix, bases in (
        ("A", [delta.own_right for delta in deltas]),
        ("B", [delta.own_left for delta in deltas]),
    ):
        if asked is not None:
            whole = [rows[: asked if len(rows) >= asked else 0] for rows in bases]
            _keep(spools[matrix], whole)
        for one, rows in zip(ones, bases, strict=True):
            if len(rows) < (asked or 1):
                yield "failed", {"one": one.number, "reason": _short(matrix, len(rows), asked)}


def _keep(spool: TensorSpool, bases: Sequence[Tensor]) -> None:
    spool.add(torch.cat(list(bases)), [len(rows) for rows in bases])


def _short(matrix: str, rank: int, asked: int | None) -> str:
    if not rank:
        return f"{matrix} is all zero here: it has no subspace to compare"
    return f"asked for {asked} singular vectors of {matrix}, which has rank {rank} here"
