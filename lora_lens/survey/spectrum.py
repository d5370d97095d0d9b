"""Norm and ranks of every adapter's ΔW."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..core.spectrum import effective_rank, stable_rank
from .asked import One, Question, Rows


class Spectrum(Question):
    """A row an adapter, as `lora_lens.spectrum` has it; of a ΔW of zero the norms are 0, and ranks of s empty."""

    def see(self, block: Sequence[One]) -> Rows:
        """Their numbers."""
        yield "spectrum", _columns([(one.number, one.rank, one.delta) for one in block])


def _columns(block: Sequence[tuple[int, int, Any]]) -> dict[str, Any]:
    values = [delta.s for _, _, delta in block]
    trained = [len(s) > 0 for s in values]

    def of_s(number: Any) -> list[float | None]:
        return [float(number(s)) if any_ else None for s, any_ in zip(values, trained, strict=True)]

    return {
        "one": [number for number, _, _ in block],
        "rank": [rank for _, rank, _ in block],
        "rank_a": [len(delta.right) for _, _, delta in block],
        "rank_b": [len(delta.left) for _, _, delta in block],
        "rank_delta": [len(s) for s in values],
        "frobenius_norm": [float(torch.linalg.vector_norm(s)) for s in values],
        "spectral_norm": [float(s[0]) if len(s) else 0.0 for s in values],
        "stable_rank": of_s(stable_rank),
        "effective_rank": of_s(_effective),
        "norm_a": [delta.norm_a for _, _, delta in block],
        "norm_b": [delta.norm_b for _, _, delta in block],
    }


def _effective(s: Tensor) -> Tensor:
    return effective_rank(s)
