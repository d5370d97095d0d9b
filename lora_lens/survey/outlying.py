"""Which adapters lie far from the others, in how much they change and in where."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from ..core.robust import robust_distances
from ..core.spectrum import effective_rank
from ..labelled import Array
from .pair_block import PairBlock
from .pairs import MATRICES, gaussian_moments
from .question import Facts, One, Question, Rows


class Outlying(Question):
    """A row an adapter and quantity: the quantity, its robust z and p.

    Quantities: log10 of ‖ΔW‖_F; the effective rank of ΔW; of A and of B the mean over the others of φ's z
    beside unrelated subspaces.
    """

    of_pairs = True

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self._norm = np.full(facts.count, np.nan)
        self._rank, self._most = np.full((2, facts.count), np.nan)
        self._sums = {matrix: torch.zeros(facts.count, dtype=torch.float64) for matrix in MATRICES}
        self._counts = {matrix: torch.zeros_like(sums) for matrix, sums in self._sums.items()}

    def see(self, block: Sequence[One]) -> Rows:
        """Their norms and ranks."""
        for one in block:
            if len(one.delta.s) and (norm := float(torch.linalg.vector_norm(one.delta.s))) > 0:
                self._norm[one.number] = math.log10(norm)
                self._rank[one.number] = float(effective_rank(one.delta.s))
                self._most[one.number] = len(one.delta.s)
        yield from ()

    def pair(self, block: PairBlock) -> Rows:
        """Their φ, beside unrelated subspaces."""
        rows, columns = block.places
        for matrix in MATRICES:
            chance = gaussian_moments(self.facts.width(matrix), *block.widths(matrix))
            z = ((block.phi(matrix) - chance.mean) / chance.sd)[rows, columns]
            there = z.isfinite()
            for number in (rows[there] + block.one.start, columns[there] + block.other.start):
                self._sums[matrix].index_add_(0, number, z[there])
                self._counts[matrix].index_add_(0, number, torch.ones_like(z[there]))
        yield from ()

    def finish(self) -> Rows:
        """How far each is from the median."""
        quantities = {"norm": self._norm, "effective rank": self._rank}
        for matrix in MATRICES:
            mean = self._sums[matrix] / self._counts[matrix]
            quantities[f"phi {matrix}"] = mean.numpy()
        for name, values in quantities.items():
            judged = evened(values, self._most) if name == "effective rank" else values
            found = robust_distances(judged)
            there = np.isfinite(values)
            yield (
                "outlying",
                {
                    "quantity": name,
                    "one": np.flatnonzero(there).astype(np.int32),
                    "value": values[there],
                    "expected": np.full(
                        int(there.sum()), np.median(values[there]) if there.any() else np.nan
                    ),
                    "z": found.z[there],
                    "p": found.p[there],
                },
            )


def evened(effective: Array, rank: Array) -> Array:
    """Effective ranks, spread nearly as a Gaussian.

    Of unrelated factors they are as far below the rank as a χ² is above 0, and its cube root is nearly Gaussian
    (Wilson and Hilferty 1931); they themselves lean far to the left.

    Example:
        >>> evened(np.array([8.0, 7.0]), np.array([8.0, 8.0]))
        array([-0., -1.])
    """
    return -np.cbrt((rank - effective).clip(min=0))
