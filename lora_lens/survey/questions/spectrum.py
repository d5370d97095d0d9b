"""Norm and ranks of every adapter's ΔW."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...core.numbers.scaled import norm_of_values
from ...core.spectra.spectrum import effective_rank, stable_rank
from .question import One, Question, Rows

QUANTITIES = (
    "rank", "rank_a", "rank_b", "rank_delta", "frobenius_norm", "spectral_norm", "stable_rank",
    "effective_rank", "norm_a", "norm_b",
)  # fmt: skip


class Spectrum(Question):
    """A row an adapter and quantity, as `lora_lens.spectrum` has them; a ΔW of zero has no stable and no effective rank."""

    def see(self, block: Sequence[One]) -> Rows:
        """Their numbers."""
        numbers = np.array([one.number for one in block], dtype=np.int32)
        values = np.array([_of(one) for one in block], dtype=np.float64).reshape(len(block), -1)
        for quantity, column in zip(QUANTITIES, values.T, strict=True):
            there = ~np.isnan(column)
            yield (
                "spectrum",
                {"quantity": quantity, "one": numbers[there], "value": column[there]},
            )


def _of(one: One) -> list[float]:
    delta, s = one.delta, one.delta.s
    trained = len(s) > 0
    return [
        one.rank,
        len(delta.right),
        len(delta.left),
        len(s),
        float(norm_of_values(s)),
        float(s[0]) if trained else 0.0,
        float(stable_rank(s)) if trained else math.nan,
        float(effective_rank(s)) if trained else math.nan,
        delta.norm_a,
        delta.norm_b,
    ]
