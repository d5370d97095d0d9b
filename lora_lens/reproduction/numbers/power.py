"""How often TOST over rows and seeds decides, when two methods are equal and the seeds' error is estimated.

The test finds them equivalent within m if

    |D| + √((z·e_r)² + (t·E)²) ≤ m,     D ~ N(0, e_r² + e_s²),     E² ~ e_s² χ²_ν / ν,

z and t its quantiles at the level, ν = S − 1 for S seeds. e_r, the rows', is as good as known. The seeds' e_s is
not: the test has E, an estimate with ν degrees of freedom, independent of D. Given D the test decides if
E is small enough, so that the power is one integral over D,

    2 ∫ φ(d; e_r² + e_s²) F_ν(ν ((m − d)² − (z·e_r)²) / (t·e_s)²) dd,     0 ≤ d ≤ m − z·e_r,

F_ν the distribution function of χ²_ν. A margin reckoned as if E were e_s promises 80 cases of 100, and two seeds
decide it in 72, three in 73 (no error by the rows).
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtr, ndtr, ndtri, stdtrit

_NODES = 200
_FAR = 9.0  # standard deviations; beyond lies 1e-19 of a Gaussian


def power_when_equal(
    margin: float, *, rows: float, seeds: float, count: int, level: float
) -> float:
    """Probability that TOST finds two equal methods equivalent within `margin`.

    By Gauss's quadrature, to 1e-5 or better (1e-8 for ten seeds or fewer). Without error by the seeds it is
    ``2Φ(margin/e_r − z) − 1``, or 0.

    Args:
        margin: m, in the units of the errors.
        rows, seeds: The true standard errors e_r and e_s of the mean difference.
        count: Seeds, at least 2.
        level: Of each of the two one-sided tests.

    Example:
        Two seeds and no error by rows: ``P(|Z| + 6.31 |Z'| ≤ 8.5)`` of two independent Gaussians.

        >>> round(power_when_equal(8.5, rows=0.0, seeds=1.0, count=2, level=0.05), 4)
        0.7754
    """
    z = -float(ndtri(level))
    room = margin - z * rows
    both = math.hypot(rows, seeds)
    if room <= 0:
        return 0.0
    if both == 0:
        return 1.0
    if seeds == 0:
        return float(2 * ndtr(room / rows) - 1)
    free = count - 1
    t = -float(stdtrit(free, level))
    # d = end·(1 − v²): F_ν rises from d's end as its ν/2-th power, of v as its ν-th.
    v, weights = _nodes()
    end = min(room, _FAR * both)
    d = end * (1 - v**2)
    left = (room - d) * (margin - d + z * rows)  # (m − d)² − (z·e_r)², which would cancel
    small_enough = chdtr(free, free * left / (t * seeds) ** 2)
    density = np.exp(-((d / both) ** 2) / 2) / (both * math.sqrt(2 * math.pi))
    return min(1.0, float(2 * np.sum(weights * density * small_enough * 2 * end * v)))


@cache
def _nodes() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gauss and Legendre's, of 0 to 1."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    return (nodes + 1) / 2, weights / 2
