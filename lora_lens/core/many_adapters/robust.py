"""How far each of many numbers lies from the others, by their median, and how often chance takes one so far."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import stdtr, stdtrit

_TO_DEVIATION = 1.482602218505602  # of a Gaussian's median absolute deviation
_FREEDOM = 0.37  # degrees of freedom a number: the efficiency of that deviation
FEWEST = 5
# Of means of robust z: independent ones of so many places deviate by the root of their number's reciprocal, and no means
# that are not equal but for rounding by less than this.
_TIED = 1e-3
_KINDS = 256  # of rows that have the same places, at a time
_SHARED = 0.9  # of a row's places, that another has to have to be compared with it


class Distances(NamedTuple):
    """Of each number: robust z, and the two-sided p of one such number among Gaussian ones."""

    z: Float[np.ndarray, " n"]
    p: Float[np.ndarray, " n"]


class MeanDistances(NamedTuple):
    """Of each row: the mean over its places, the median that it is compared with, of how many, robust z and p."""

    mean: Float[np.ndarray, " n"]
    median: Float[np.ndarray, " n"]
    among: Float[np.ndarray, " n"]
    z: Float[np.ndarray, " n"]
    p: Float[np.ndarray, " n"]


def robust_distances(x: Float[np.ndarray, " n"], rounding: float = 0.0) -> Distances:
    """z by median and median absolute deviation, which outlying numbers do not move, with p by Student's t.

    ``z = (x − median)/(1.4826·MAD)``. MAD tells a Gaussian's deviation as well as the usual one does from
    0.37 times as many numbers, so z is taken for a t of ``0.37·(n − 1)`` degrees of freedom. That
    rejects no more often than it says, at any n from 5 on: among Gaussian numbers a p below .05/n occurs
    in 1 of 100 samples of 8, in 4 of 100 of 100.

    Args:
        x: Numbers; NaN for missing ones, which get NaN.
        rounding: Of the numbers: a deviation that is not above it is not theirs.

    Returns:
        NaN for all where there are fewer than 5, or where over half of them are equal but for rounding.

    Example:
        >>> found = robust_distances(np.array([1.0, 1.2, 0.9, 1.1, 1.0, 0.8, 1.3, 1.1, 0.9, 9.0]))
        >>> int(found.p.argmin()), bool(found.p.min() < 0.05 / 10)
        (9, True)
    """
    z, p = np.full(len(x), np.nan), np.full(len(x), np.nan)
    there = np.isfinite(x)
    if there.sum() < FEWEST:
        return Distances(z, p)
    known = x[there]
    off = known - np.median(known)
    deviation = _TO_DEVIATION * float(np.median(np.abs(off)))
    if not deviation > rounding:
        return Distances(z, p)
    z[there] = off / deviation
    p[there] = 2 * stdtr(_FREEDOM * (len(known) - 1), -np.abs(z[there]))
    return Distances(z, p)


def least_far_z(among: int, comparisons: int, level: float) -> float:
    """Robust z from which on `robust_distances` calls one number far, by Holm's first step: its p is level/comparisons.

    Args:
        among: How many numbers, it included.
        comparisons: How many p are corrected together, these among them.
        level: Of all of them.

    Returns:
        z; infinite for fewer than 5 numbers.

    Example:
        >>> [round(least_far_z(n, 4 * n, 0.05), 1) for n in (4, 5, 6, 12, 30, 100)]
        [inf, 47.0, 26.7, 8.4, 5.0, 4.3]
    """
    if among < FEWEST:
        return float("inf")
    return -float(stdtrit(_FREEDOM * (among - 1), level / 2 / comparisons))


def robust_mean_distances(x: Float[np.ndarray, "n places"]) -> MeanDistances:
    """How far each row's mean of robust z lies from that of the others over the same places.

    A mean over fewer places varies more, and how much more depends on how alike a row's numbers are. So a row is compared
    with those that have nearly all of its places, nine tenths at least, by their means over these: then all of them vary alike.

    Args:
        x: Of `robust_distances`, place by place; NaN where a row has none. Rows whose numbers are of another kind at a place
            have a column of their own for it.

    Returns:
        NaN where fewer than 5 rows, it included, have nearly all of a row's places.

    Example:
        The last row has one place, where it lies among the others, whose means over all are near 0.

        >>> x = np.array([[2.0, -2.0], [-1.0, 1.5], [1.0, -1.0], [-2.0, 2.0], [1.5, -1.5], [1.0, np.nan]])
        >>> float(robust_mean_distances(x).z[-1])
        0.0
    """
    there = np.isfinite(x)
    known = np.where(there, x, 0.0)
    found = MeanDistances(*np.full((5, len(x)), np.nan))
    kinds, kind = np.unique(there, axis=0, return_inverse=True)
    for start in range(0, len(kinds), _KINDS):
        some = kinds[start : start + _KINDS].T.astype(x.dtype)
        counts, sums = there.astype(x.dtype) @ some, known @ some
        for number, (count, total, most) in enumerate(
            zip(counts.T, sums.T, some.sum(0), strict=True), start
        ):
            beside = count >= max(1.0, _SHARED * most)
            if not most:
                continue
            means = total[beside] / count[beside]
            own = kind.ravel()[beside] == number
            distances = robust_distances(means, _TIED)
            at = np.flatnonzero(beside)[own]
            found.mean[at], found.median[at] = means[own], np.median(means)
            found.among[at] = len(means)
            found.z[at], found.p[at] = distances.z[own], distances.p[own]
    return found
