"""What φ of unrelated subspaces exceeds by chance, from its mean and deviation."""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.special import gammaincc, gammainccinv

from ..labelled import Array

_SAME = 1 - 1e-6  # as near as φ of float32's numbers tells from that of one and the same subspace
_FARTHEST = 1e4  # deviations
_NEVER = -700.0  # the logarithm of a probability of nothing


def above_by_chance(mean: Array, sd: Array, p: float) -> Array:
    """What φ exceeds with probability p, at most, under a null of these moments.

    φ of unrelated subspaces is nearly a χ² of i·j degrees of freedom, which leans far to the right where
    those are few: a gamma distribution with its moments has as much above it, or more. Subspaces of over half the
    width have directions in common of necessity, 2 − 1/mean of all where they are of one rank; the
    distribution is that of the rest.

    Args:
        mean, sd: Of φ; broadcastable arrays, of any shape.
        p: Of one pair.

    Returns:
        φ; the mean itself where nothing varies. One and the same subspace is above it always.

    Example:
        Of two lines in R^100 it is a χ² of one degree of freedom over 100, nearly.

        >>> mean, sd = np.array([0.01]), np.array([0.01 * 2**0.5])
        >>> above_by_chance(mean, sd, 0.05).round(4)  # 3.84/100
        array([0.0384])
    """
    both = np.empty(mean.shape, complex)
    both.real, both.imag = mean, sd
    pairs, at = np.unique(both.ravel(), return_inverse=True)
    forced, shape, scale = _gamma(pairs.real, pairs.imag)
    with np.errstate(invalid="ignore"):
        quantile = forced + scale * gammainccinv(shape, p)
    found = np.where(shape > 0, np.minimum(quantile, _SAME), pairs.real)
    return found[at].reshape(mean.shape)


def closest_by_chance(mean: Array, sd: Array, count: Array) -> float:
    """How many deviations above its mean the farthest of many unrelated pairs lies, in half of all cases.

    Args:
        mean, sd: Of φ, of each kind of pair.
        count: How many pairs there are of each.

    Example:
        >>> lines = np.array([0.01]), np.array([0.01 * 2**0.5])
        >>> round(closest_by_chance(*lines, np.array([1])), 2), round(closest_by_chance(*lines, np.array([1000])), 2)
        (-0.39, 7.43)
    """
    forced, shape, scale = _gamma(mean, sd)
    varies = shape > 0
    forced, shape, scale, count = (each[varies] for each in (forced, shape, scale, count))
    if not count.sum():
        return float("nan")

    def surplus(z: float) -> float:
        free = (mean[varies] + z * sd[varies] - forced).clip(min=0)
        with np.errstate(divide="ignore"):
            below = np.log1p(-gammaincc(shape, free / scale))
        return float((count * below.clip(min=_NEVER)).sum()) - np.log(0.5)

    return float(brentq(surplus, -_FARTHEST, _FARTHEST))


def _gamma(mean: Array, sd: Array) -> tuple[Array, Array, Array]:
    """Where it begins, shape and scale; a shape of 0 where nothing varies."""
    with np.errstate(divide="ignore", invalid="ignore"):
        forced = np.where(mean > 0.5, 2 - 1 / mean, 0.0)
        free = mean - forced
        known = (sd > 0) & np.isfinite(sd) & (free > 0)
        return forced, np.where(known, (free / sd) ** 2, 0.0), np.where(known, sd**2 / free, 1.0)
