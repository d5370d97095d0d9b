"""Which adapters lie far from the others, in how much they change and in where."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from ...core.many_adapters.robust import Distances, robust_distances
from ...core.numbers.scaled import norm_of_values
from ...core.spectra.spectrum import effective_rank
from ...labelled import Array
from .pair_block import PairBlock
from .pairs import MATRICES, gaussian_moments
from .question import Facts, One, Question, Rows

_ROUNDING = 1e-6  # of φ, of an effective rank beside the rank, and of a norm's logarithm, of factors in float32


class Outlying(Question):
    """A row an adapter and quantity: the quantity, its robust z and p, and the rank of those that it is beside.

    Quantities: log10 of ‖ΔW‖_F; the effective rank of ΔW; of A and of B the mean over the others of φ's z beside
    unrelated subspaces, with the p of these or of the cube roots of mean φ over chance, whichever is larger: of few directions φ of
    unrelated adapters is nearly a χ², which leans to the right, and its cube root nearly Gaussian (Wilson and Hilferty 1931), while that
    of adapters which have something in common leans to the left. All but the norm grow with the rank for one and the same likeness, and are beside adapters of
    the same rank alone: these have the same pairs with all the others.
    """

    of_pairs = True

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self._norm = np.full(facts.count, np.nan)
        self._effective, self._rank = np.full((2, facts.count), np.nan)
        self._ranks = {matrix: np.full(facts.count, np.nan) for matrix in MATRICES}  # of A and B
        # Sums over the others: of φ's z, of φ, of what chance makes of it, and how many they are.
        empty = torch.zeros(4, facts.count, dtype=torch.float64)
        self._sums = {matrix: empty.clone() for matrix in MATRICES}
        self._finest = dict.fromkeys(MATRICES, 1.0)  # least deviation of unrelated subspaces' φ

    def see(self, block: Sequence[One]) -> Rows:
        """Their norms and ranks."""
        for one in block:
            self._ranks["A"][one.number] = len(one.delta.own_right)
            self._ranks["B"][one.number] = len(one.delta.own_left)
            if len(one.delta.s) and (norm := float(norm_of_values(one.delta.s))) > 0:
                self._norm[one.number] = math.log10(norm)
                self._effective[one.number] = float(effective_rank(one.delta.s))
                self._rank[one.number] = one.rank
        yield from ()

    def pair(self, block: PairBlock) -> Rows:
        """Their φ, beside unrelated subspaces."""
        rows, columns = block.places
        for matrix in MATRICES:
            chance = gaussian_moments(self.facts.width(matrix), *block.widths(matrix))
            z = ((block.phi(matrix) - chance.mean) / chance.sd)[rows, columns]
            there = z.isfinite()
            least = float(chance.sd[rows, columns][there].min()) if there.any() else 1.0
            self._finest[matrix] = min(self._finest[matrix], least)
            ones, others = rows[there], columns[there]
            phi, mean = block.phi(matrix)[ones, others], chance.mean[ones, others]
            found = torch.stack([z[there], phi, mean, torch.ones_like(phi)]).double()
            for number in (ones + block.one.start, others + block.other.start):
                self._sums[matrix].index_add_(1, number, found)
        yield from ()

    def finish(self) -> Rows:
        """How far each is from the median."""
        yield from _told("log10 norm", self._norm, robust_distances(self._norm, _ROUNDING))
        for rank, values in _by_rank(self._effective, self._rank):
            found = robust_distances(evened(values, rank), _ROUNDING)
            yield from _told("effective rank", values, found, rank)
        for matrix in MATRICES:
            z, phi, chance, count = self._sums[matrix]
            mean, beside = (z / count).numpy(), np.cbrt((phi / chance).numpy())
            least = float((chance / count).nan_to_num(1.0).min())
            for rank, values in _by_rank(mean, self._ranks[matrix]):
                root = np.where(np.isfinite(values), beside, np.nan)
                found = nearer(
                    robust_distances(values, _ROUNDING / self._finest[matrix]),
                    robust_distances(root, _ROUNDING / least),
                )
                yield from _told(f"phi {matrix}", values, found, rank)


def _by_rank(values: Array, ranks: Array) -> Iterator[tuple[int, Array]]:
    """Of every rank the numbers of its adapters, NaN for the others."""
    for rank in np.unique(ranks[np.isfinite(values)]):
        yield int(rank), np.where(ranks == rank, values, np.nan)


def _told(quantity: str, values: Array, found: Distances, rank: int | None = None) -> Rows:
    """How far each is from the median; nothing of those that have no value."""
    there = np.isfinite(values)
    if there.any():
        yield (
            "outlying",
            {
                "quantity": quantity,
                "one": np.flatnonzero(there).astype(np.int32),
                "i": rank,
                "value": values[there],
                "expected": np.full(int(there.sum()), np.median(values[there])),
                "z": found.z[there],
                "p": found.p[there],
            },
        )


def nearer(one: Distances, other: Distances) -> Distances:
    """Of each number the distance of the larger p; none where either has none.

    Example:
        >>> one, other = Distances(np.array([3.0]), np.array([0.01])), Distances(np.array([2.5]), np.array([0.03]))
        >>> float(nearer(one, other).z[0])
        2.5
    """
    first = one.p > other.p
    z, p = (np.where(first, *pair) for pair in zip(one, other, strict=True))
    neither = np.isnan(one.p) | np.isnan(other.p)
    return Distances(np.where(neither, np.nan, z), np.where(neither, np.nan, p))


def evened(effective: Array, rank: float) -> Array:
    """Effective ranks of adapters of one rank, spread nearly as a Gaussian.

    Of unrelated factors they are as far below the rank as a χ² is above 0, and its cube root is nearly Gaussian
    (Wilson and Hilferty 1931); they themselves lean far to the left.

    Example:
        >>> evened(np.array([8.0, 7.0]), 8)
        array([-0., -1.])
    """
    missing = rank - effective
    return -np.cbrt(np.where(missing < _ROUNDING * rank, 0.0, missing))
