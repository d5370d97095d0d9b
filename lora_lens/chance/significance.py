"""Is a φ more than a null gives? z, Monte-Carlo p-values, their corrections, and excess similarity.

All tests are of the upper tail, is φ higher than chance?, but the two-sided one of the mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..labelled import Array, Brief, Row, plain
from .against_null import NullTest
from .baseline import Baseline
from .p_values import (
    benjamini_hochberg,
    excess,
    fewest_discoveries,
    max_statistic_p,
    monte_carlo_p,
    standardised,
    two_sided_p,
)

STATISTICS = ("z", "p", "p_bh", "p_max", "excess")
LEVEL = 0.05  # of the false discovery rate, where discoveries are counted


@dataclass(frozen=True, repr=False, eq=False)
class Significance(Brief):
    """Each cell's φ against one null. NaN where nothing is tested: on the diagonal, or without draws.

    Attributes:
        z: (φ − mean)/sd of the null.
        p: Monte-Carlo p-value (b+1)/(n+1), b of n null values being at least φ; never 0.
        p_bh: p after Benjamini and Hochberg (1995), over the distinct cells.
        p_max: p of the largest standardised cell of a draw (Westfall and Young 1993, single step):
            the probability that *any* cell of the null is so many deviations high. Deviations are z's
            where the null has them in closed form, else those of the null values and φ together.
        excess: (φ − mean)/(1 − mean): 0 where the null's mean is, 1 for equal subspaces.
        of_mean: The same of the mean over all cells.
        tests: How many distinct cells.
        discoveries: How many of them have p_bh at most `LEVEL`.
        fewest: How many of them at once can have it at all, for p is no less than 1/(n+1): fewer are
            not found however high they are; None without draws.
    """

    z: Array
    p: Array
    p_bh: Array
    p_max: Array
    excess: Array
    of_mean: NullTest[float]
    tests: int
    discoveries: int
    fewest: int | None

    @property
    def findable(self) -> bool:
        """Whether there are draws enough for any cell to have p_bh at most `LEVEL`."""
        return self.fewest is not None and self.fewest <= self.tests

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
            "fewest": self.fewest,
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

    Example:
        >>> samples = np.linspace(0.1, 0.3, 19)[:, None].repeat(2, axis=1)
        >>> null = Baseline(mean=0.2, sd=0.1, mean_sd=0.1, draws=19, samples=samples)
        >>> found = significance(np.array([0.5, 0.2]), null, np.array([True, True]))
        >>> found.z.round(6), found.p, found.p_bh
        (array([3., 0.]), array([0.05, 0.55]), array([0.1 , 0.55]))
    """
    distinct = np.triu(tested) if symmetric else tested

    def of_cells(grid: float | Array) -> Array:
        return np.asarray(np.broadcast_to(grid, values.shape)[distinct], dtype=np.float64)

    phi, mean, sd = of_cells(values), of_cells(baseline.mean), of_cells(baseline.sd)
    z, missing = standardised(phi, mean, sd), np.full(len(phi), np.nan)
    p = p_bh = p_max = missing
    drawn = fewest = None
    if baseline.drawn is not None and len(phi):
        drawn = baseline.drawn[:, distinct].astype(np.float64)
        own = drawn if baseline.cells is None else baseline.cells[:, distinct].astype(np.float64)
        p = monte_carlo_p(phi, own)
        fewest = fewest_discoveries(len(phi), len(own), LEVEL)
        p_bh = benjamini_hochberg(p)
        moments = (mean, sd) if baseline.closed else _of_all(own, phi)
        own_z, drawn_z = standardised(phi, *moments), standardised(drawn, *moments)
        p_max = max_statistic_p(own_z, drawn_z, standardised(moments[0] + baseline.tie, *moments))

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
        fewest=fewest,
    )


def _of_all(own: Array, phi: Array) -> tuple[Array, Array]:
    """Moments of each cell's null values and φ together: the observed grid must be one among its null's."""
    every = np.concatenate([own, phi[None]])
    return every.mean(0), every.std(0, ddof=1)


def _of_mean(phi: Array, mean: Array, baseline: Baseline, drawn: Array | None) -> NullTest[float]:
    if not len(phi):
        return NullTest.nothing()
    observed, means = phi.mean(), None if drawn is None else drawn.mean(1)
    null = float(mean.mean() if baseline.mean_mean is None else baseline.mean_mean)
    sd, cells = baseline.mean_sd, len(phi)
    p = np.nan if means is None else monte_carlo_p(observed, means, sd=sd, cells=cells)
    both = np.nan if means is None else two_sided_p(observed, means, sd=sd, cells=cells)
    z = standardised(np.asarray(observed), np.asarray(null), np.asarray(sd), cells=cells)
    beyond = excess(observed, np.asarray(null))
    return NullTest(
        mean=null, sd=sd, z=float(z), p=float(p), excess=float(beyond), p_two_sided=float(both)
    )
