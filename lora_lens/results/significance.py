"""Is a φ more than a null gives? z, Monte-Carlo p-values, their corrections, and excess similarity.

All tests are of the upper tail: is φ higher than chance?
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .baseline import Baseline
from .forms import Array, Row, plain

STATISTICS = ("z", "p", "p_bh", "p_max", "excess")
LEVEL = 0.05  # of the false discovery rate, where discoveries are counted
_RESOLUTION = 1e-6  # of φ in float32, which nulls are drawn in: what differs by less is a tie


@dataclass(frozen=True)
class MeanTest:
    """The mean of φ over all cells against the same mean in each draw of the null."""

    mean: float
    sd: float
    z: float
    p: float
    excess: float

    def to_dict(self) -> Row:
        """For JSON."""
        return {name: plain(value) for name, value in vars(self).items()}


@dataclass(frozen=True)
class Significance:
    """Each cell's φ against one null. NaN where nothing is tested: on the diagonal, or without draws.

    Attributes:
        z: (φ − mean)/sd of the null.
        p: Monte-Carlo p-value (b+1)/(n+1), b of n null values being at least φ; never 0.
        p_bh: p after Benjamini and Hochberg (1995), over the distinct cells.
        p_max: p of the largest standardised cell of a draw (Westfall and Young 1993, single step):
            the probability that *any* cell of the null is so many deviations high.
        excess: (φ − mean)/(1 − mean): 0 where the null's mean is, 1 for equal subspaces.
        of_mean: The same of the mean over all cells.
        tests: How many distinct cells.
        discoveries: How many of them have p_bh at most `LEVEL`.
    """

    z: Array
    p: Array
    p_bh: Array
    p_max: Array
    excess: Array
    of_mean: MeanTest
    tests: int
    discoveries: int

    def cells(self) -> dict[str, Array]:
        """The numbers that each cell has."""
        return {name: getattr(self, name) for name in STATISTICS}

    def to_dict(self) -> Row:
        """For JSON."""
        cells = {name: plain(values) for name, values in self.cells().items()}
        return cells | {
            "of_mean": self.of_mean.to_dict(),
            "tests": self.tests,
            "discoveries": self.discoveries,
        }


def significance(
    values: Array, baseline: Baseline, tested: NDArray[np.bool_], *, symmetric: bool = False
) -> Significance:
    """Test the φ in `values` against a null.

    Args:
        values: φ: a layer×layer grid, or one a layer.
        baseline: The null, of the same shape.
        tested: Which cells.
        symmetric: The grid is: each two cells that mirror each other are one test.
    """
    distinct = np.triu(tested) if symmetric else tested

    def of_cells(grid: float | Array) -> Array:
        return np.asarray(np.broadcast_to(grid, values.shape)[distinct], dtype=np.float64)

    phi, mean, sd = of_cells(values), of_cells(baseline.mean), of_cells(baseline.sd)
    z, missing = standardised(phi, mean, sd), np.full(len(phi), np.nan)
    p = p_bh = p_max = missing
    drawn = None
    if baseline.drawn is not None and len(phi):
        drawn = baseline.drawn[:, distinct].astype(np.float64)
        own = drawn if baseline.cells is None else baseline.cells[:, distinct].astype(np.float64)
        p = monte_carlo_p(phi, own)
        p_bh = benjamini_hochberg(p)
        p_max = max_statistic_p(z, standardised(drawn, mean, sd))

    def placed(numbers: Array) -> Array:
        grid = np.full(values.shape, np.nan)
        grid[distinct] = numbers
        if symmetric:
            grid.T[distinct] = numbers
        return grid

    return Significance(
        z=placed(z),
        p=placed(p),
        p_bh=placed(p_bh),
        p_max=placed(p_max),
        excess=placed(excess(phi, mean)),
        of_mean=_of_mean(phi, mean, baseline, drawn),
        tests=len(phi),
        discoveries=int((p_bh <= LEVEL).sum()),
    )


def _of_mean(phi: Array, mean: Array, baseline: Baseline, drawn: Array | None) -> MeanTest:
    if not len(phi):
        return MeanTest(*[float("nan")] * 5)
    observed, means = phi.mean(), None if drawn is None else drawn.mean(1)
    # Where cells have null values of their own, the draws' mean is the one that their deviation is of.
    null = float(mean.mean() if means is None or baseline.cells is None else means.mean())
    p = np.nan if means is None else monte_carlo_p(observed, means)
    sd = baseline.mean_sd
    z = standardised(np.asarray(observed), np.asarray(null), np.asarray(sd))
    return MeanTest(null, sd, float(z), float(p), float(excess(observed, np.asarray(null))))


def standardised(values: Array, mean: Array, sd: Array) -> Array:
    """(value − mean)/sd; NaN where the null does not vary beyond float32's resolution."""
    varies = np.where(sd > _RESOLUTION, sd, np.nan)
    return np.asarray((values - mean) / varies)


def excess(phi: Array, null_mean: Array) -> Array:
    """Excess similarity (φ − null)/(1 − null): what is left of φ when chance is taken away, at most 1.

    0 where φ is the null's mean, negative below it, 1 for equal subspaces; NaN where the null is 1.
    """
    room = 1 - null_mean
    return np.asarray((phi - null_mean) / np.where(room > _RESOLUTION, room, np.nan))


def monte_carlo_p(observed: Array, null: Array) -> Array:
    """(b+1)/(n+1): b of the n null values along the first axis are at least the observed one.

    It is never 0, and a test by it holds its level at any n (Phipson and Smyth 2010). Values within
    float32's resolution are ties, which count against the observed one.
    """
    at_least = (null >= observed - _RESOLUTION).sum(0)
    return np.asarray((at_least + 1) / (len(null) + 1))


def max_statistic_p(z: Array, null_z: Array) -> Array:
    """Family-wise p-values: the share of draws whose largest z of all cells reaches the cell's own.

    Single-step Westfall and Young (1993): it heeds how cells depend on each other.

    Args:
        z: (cell,), NaN where the null does not vary.
        null_z: (draw, cell), standardised as `z` is.
    """
    varies = np.isfinite(z)
    if not varies.any():
        return np.full(z.shape, np.nan)
    highest = null_z[:, varies].max(1)
    return np.where(varies, monte_carlo_p(z, highest[:, None]), np.nan)


def benjamini_hochberg(p: Array) -> Array:
    """p-values that control the false discovery rate (Benjamini and Hochberg 1995)."""
    from scipy.stats import false_discovery_control

    return np.asarray(false_discovery_control(p, method="bh"))
