"""What φ of unrelated subspaces is, in closed form.

It is the null of two factors themselves, and the wrong one for conversion matrices: see
`lora_lens.chance.draws`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..core.numbers.whole import whole
from ..errors import RankError
from ..labelled import Array


class Moments(NamedTuple):
    """Mean and standard deviation of φ, or of a predicted share, under a null."""

    mean: float
    sd: float


def gaussian_baseline(d: int, i: int, j: int | None = None) -> Moments:
    """Mean and standard deviation of φ of two independent uniform subspaces of R^d, in closed form.

    ``E φ = max(i, j)/d``; ``Var φ = 2ij(d−i)(d−j) / (d²(d−1)(d+2)·min(i, j)²)``: the moments of
    ``‖UᵀV‖_F²`` for Haar-distributed frames. No sampling is needed.

    Args:
        d: Dimension of the space that the singular vectors live in.
        i: Dimension of the one subspace.
        j: Dimension of the other; `i` where it is None.

    Raises:
        RankError: i or j is below 1 or above d.
        LensError: One is no whole number.

    Example:
        >>> mean, sd = gaussian_baseline(384, 8)
        >>> round(mean, 4), round(sd, 4)
        (0.0208, 0.0036)
    """
    d, i = whole(d, "d"), whole(i, "i")  # Python's, for NumPy's overflow
    j = i if j is None else whole(j, "j")
    if not (1 <= i <= d and 1 <= j <= d):
        raise RankError(f"no subspaces of dimensions {i} and {j} in R^{d}; expected 1 to {d}")
    if d == 1:
        return Moments(1.0, 0.0)
    variance = 2 * i * j * (d - i) * (d - j) / (d**2 * (d - 1) * (d + 2) * min(i, j) ** 2)
    return Moments(max(i, j) / d, math.sqrt(variance))


def gaussian_grid(d: int, r1: int, r2: int) -> tuple[Array, Array]:
    """Mean and deviation of `gaussian_baseline` for every i up to r1 and j up to r2, at once.

    Args:
        d: At least r1 and r2.
        r1, r2: At least 1.

    Returns:
        (r1, r2) each.

    Example:
        >>> mean, sd = gaussian_grid(384, 2, 8)
        >>> one = gaussian_baseline(384, 2, 8)
        >>> mean.shape, bool(mean[1, 7] == one.mean), float(round(sd[1, 7] / one.sd, 12))
        ((2, 8), True, 1.0)
    """
    i, j = np.arange(1.0, r1 + 1)[:, None], np.arange(1.0, r2 + 1)
    mean = np.maximum(i, j) / d
    if d == 1:
        return mean, np.zeros((r1, r2))
    spread = np.sqrt(i * (d - i)) * np.sqrt(j * (d - j)) / np.minimum(i, j)
    return mean, spread * math.sqrt(2 / ((d - 1) * (d + 2))) / d


def mean_off_diagonal_sd(d: int, layers: int, i: int, j: int | None = None) -> float:
    """Standard deviation of the mean of φ off the diagonal, over independent uniform subspaces of R^d.

    φ of different pairs of layers are uncorrelated, even with a layer in common. φ of (l, m) and
    (m, l) are equal for i = j; else, with the leading i vectors among the leading j, they correlate
    by ``ρ = i(d−j) / (j(d−i))`` for i ≤ j. So it is ``sd·√((1+ρ)/2 / pairs)``; NaN for one layer.

    Args:
        d, i, j: As in `gaussian_baseline`.
        layers: How many.

    Example:
        >>> of_one, of_three = gaussian_baseline(384, 8).sd, mean_off_diagonal_sd(384, 3, 8)
        >>> round((of_one / of_three) ** 2, 6)  # three layers, three pairs
        3.0
        >>> round((gaussian_baseline(4, 1, 2).sd / mean_off_diagonal_sd(4, 2, 1, 2)) ** 2, 6)  # 2/(1 + ρ), ρ = 1/3
        1.5
    """
    j = i if j is None else j
    pairs = layers * (layers - 1) // 2
    if not pairs:
        return math.nan
    low, high = min(i, j), max(i, j)
    rho = 1.0 if low == high else low * (d - high) / (high * (d - low))
    return gaussian_baseline(d, i, j).sd * math.sqrt((1 + rho) / 2 / pairs)
