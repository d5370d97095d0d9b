"""A place's adapters, some at a time: their factors read, and ΔW's bases made of them."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from ..core.factors.balanced import balanced
from ..core.similarity.pairwise import blocks
from .places import Place
from .questions.question import One
from .reading import read_factors

_BLOCK_BYTES = 1 << 21  # of one factor of the adapters that are seen at once


def blocks_of(place: Place, base: str | None) -> Iterator[list[One]]:
    """Some adapters at a time, in their order; those of one shape are balanced together."""
    wide = max(place.out_features, place.in_features) * 8
    for which in blocks([piece.rank * wide for piece in place.pieces], _BLOCK_BYTES):
        pieces = [(number, place.pieces[number]) for number in which]
        read = {number: read_factors(piece, base) for number, piece in pieces}
        alike: dict[tuple[int, torch.dtype, torch.dtype], list[int]] = {}
        for number, piece in pieces:
            a, b = read[number]
            alike.setdefault((piece.rank, a.dtype, b.dtype), []).append(number)
        found: dict[int, One] = {}
        for (rank, _, _), numbers in alike.items():
            stacked_a, stacked_b = (
                torch.stack([read[number][side] for number in numbers]) for side in (0, 1)
            )
            scaling = [place.pieces[number].scaling for number in numbers]
            deltas = balanced(stacked_a, stacked_b, torch.tensor(scaling, dtype=torch.float64))
            for number, s, delta in zip(numbers, scaling, deltas, strict=True):
                found[number] = One(number, rank, s, *read[number], delta)
        yield [found[number] for number in which]
