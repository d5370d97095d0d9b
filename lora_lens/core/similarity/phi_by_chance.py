"""What φ of unrelated subspaces exceeds by chance, from its mean and deviation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc, gammainccinv

from ...labelled import Array

# Nearer to 1 float32's numbers do not tell φ from that of one and the same subspace.
_SAME = 1 - 3e-6
_FARTHEST = 1e4  # deviations
_NEVER = -700.0  # the logarithm of a probability of nothing


def in_common(d: int, i: Array, j: Array) -> Array:
    """What φ of an i- and a j-dimensional subspace of R^d is at least: (i + j − d)/min(i, j) of over half the width.

    Example:
        >>> in_common(16, np.array([15, 4]), np.array([15, 12]))
        array([0.93333333, 0.        ])
    """
    smaller = np.maximum(np.minimum(i, j), 1)
    return np.maximum(i + j - d, 0) / smaller


def least_beside(mean: float, i: int, j: int) -> float:
    """`in_common` of one pair, from the mean φ of unrelated ones, max(i, j)/d.

    Example:
        >>> round(least_beside(12 / 16, 12, 8), 6)  # 4 of 8 directions
        0.5
    """
    d = round(max(i, j) / mean)
    return float(in_common(d, np.array(i), np.array(j)))


def least_of_mean(d: int, ranks: NDArray[np.int64]) -> Array:
    """What the mean φ over the layers is at least, pair by pair of adapters.

    Args:
        d: Dimension of the space.
        ranks: (adapter, layer) dimensions.

    Example:
        >>> least_of_mean(16, np.array([[15, 4], [15, 12]])).round(3)
        array([[0.467, 0.467],
               [0.467, 0.8  ]])
    """
    return np.asarray(np.mean([in_common(d, at[:, None], at) for at in ranks.T], axis=0))


def above_by_chance(mean: Array, sd: Array, p: float, least: Array | None = None) -> Array:
    """What φ exceeds with probability p, nearly, and rather less often, under a null of these moments.

    φ of unrelated subspaces is nearly a χ² of i·j degrees of freedom, which leans far to the right where
    those are few: the quantile is that of a gamma distribution with its moments. Of subspaces of over half the width, which
    have directions in common of necessity, it is that of what φ has beyond those.

    Args:
        mean, sd: Of φ; arrays of one shape.
        p: Of one pair.
        least: `in_common` of each pair; by default nothing.

    Returns:
        φ; the mean itself where nothing varies. One and the same subspace is above it always.

    Example:
        Of two lines in R^100 it is a χ² of one degree of freedom over 100, nearly.

        >>> mean, sd = np.array([0.01]), np.array([0.01 * 2**0.5])
        >>> above_by_chance(mean, sd, 0.05).round(4)  # 3.84/100
        array([0.0384])
    """
    both = np.empty(mean.size, complex)
    both.real, both.imag = mean.ravel(), sd.ravel()
    pairs, first, at = np.unique(both, return_index=True, return_inverse=True)
    least = np.zeros(len(pairs)) if least is None else least.ravel()[first]
    shape, scale = _gamma(pairs.real, pairs.imag, least)
    with np.errstate(invalid="ignore"):
        quantile = least + scale * gammainccinv(shape, p)
    found = np.where(shape > 0, np.minimum(quantile, _SAME), pairs.real)
    return found[at].reshape(mean.shape)


def closest_by_chance(mean: Array, sd: Array, count: Array, least: Array) -> float:
    """How many deviations above its mean the farthest of many unrelated pairs lies, in half of all cases; never beyond φ = 1.

    Args:
        mean, sd: Of φ, of each kind of pair.
        count: How many pairs there are of each.
        least: `in_common` of each kind.

    Example:
        >>> lines, none = (np.array([0.01]), np.array([0.01 * 2**0.5])), np.zeros(1)
        >>> [round(closest_by_chance(*lines, np.array([pairs]), none), 2) for pairs in (1, 1000)]
        [-0.39, 7.43]
    """
    from scipy.optimize import brentq  # a sixth of a second to load, which surveys alone pay

    shape, scale = _gamma(mean, sd, least)
    varies = shape > 0
    shape, scale, count = (each[varies] for each in (shape, scale, count))
    mean, sd, least = (each[varies] for each in (mean, sd, least))
    if not count.sum():
        return float("nan")

    def surplus(z: float) -> float:
        free = (mean + z * sd - least).clip(min=0)
        with np.errstate(divide="ignore"):
            below = np.log1p(-gammaincc(shape, free / scale))
        return float((count * below.clip(min=_NEVER)).sum()) - np.log(0.5)

    return min(float(brentq(surplus, -_FARTHEST, _FARTHEST)), float(((1 - mean) / sd).max()))


def as_rare_where_narrower(
    value: Array, mean: Array, sd: Array, times: Array, least: Array
) -> Array:
    """The φ that is as rare as `value`, where the null's deviation is `sd` and not `times` as much.

    By the gamma distributions of `above_by_chance`: draws of the narrower null then tell how rare `value` is under the wider one.

    Args:
        value: φ; arrays of one shape, as the others.
        mean, sd: Of the narrower null.
        times: How many times as far the wider one scatters; where that is 1, `value` is returned as it is.
        least: `in_common` of each.

    Example:
        What lines in R^100 exceed once in twenty under the one, they exceed once in twenty under the other.

        >>> mean, sd, none = np.array([0.01]), np.array([0.01 * 2**0.5]), np.zeros(1)
        >>> wide, narrow = (above_by_chance(mean, times * sd, 0.05) for times in (2, 1))
        >>> wide.round(4), narrow.round(4)
        (array([0.0568]), array([0.0384]))
        >>> as_rare_where_narrower(wide, mean, sd, np.array([2.0]), none).round(4)
        array([0.0384])
    """
    wide, wide_scale = _gamma(mean, sd * times, least)
    shape, scale = _gamma(mean, sd, least)
    with np.errstate(invalid="ignore"):
        tail = gammaincc(wide, (value - least).clip(min=0) / wide_scale)
        found = least + scale * gammainccinv(shape, tail)
    return np.where((times > 1) & (shape > 0), found, value)


def _gamma(mean: Array, sd: Array, least: Array) -> tuple[Array, Array]:
    """Shape and scale of what φ has beyond its least; a shape of 0 where nothing varies."""
    free = mean - least
    with np.errstate(divide="ignore", invalid="ignore"):
        known = (sd > 0) & np.isfinite(sd) & (free > 0)
        return np.where(known, (free / sd) ** 2, 0.0), np.where(known, sd**2 / free, 1.0)
