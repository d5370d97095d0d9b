"""A correlation over layers beside the correlations that a null's draws have over the same layers.

By Fisher's z = artanh r, in which a null near 1 is as wide to either side as one near 0.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from ..labelled import Array
from .detectable import detectable_excess
from .p_values import two_sided_p

_ROUNDING = 1e-12  # of its size: what varies by less does not vary
_ONE = 1 - 1e-15  # whose z is finite


def correlation(x: Float[Array, "*draw layer"], y: Float[Array, "*draw layer"]) -> Array:
    """Pearson's r over the last axis, −1 to 1; NaN where one of the two does not vary but for rounding.

    Equivalent to ``scipy.stats.pearsonr``, over leading axes.

    Example:
        >>> correlation(np.array([1.0, 2.0, 3.0]), np.array([[2.0, 4.0, 6.0], [1.0, 0.0, 1.0], [5.0, 5.0, 5.0]])).round(6)
        array([ 1.,  0., nan])
    """
    u, v = (_standard(each) for each in (x, y))
    return np.asarray((u * v).sum(-1).clip(-1, 1))


def _standard(x: Array) -> Array:
    """Without its mean and of norm 1."""
    off = x - x.mean(-1, keepdims=True)
    size = np.abs(x).max(-1, keepdims=True)
    norm = np.sqrt(np.square(off / np.where(size > 0, size, 1)).sum(-1, keepdims=True))
    return np.asarray(off / np.where(norm > _ROUNDING, norm * size, np.nan))


def fisher(r: Array) -> Array:
    """artanh r, of which 1 and −1 are far ends, and not infinite.

    Example:
        >>> fisher(np.array([0.0, 0.5, -1.0])).round(2)
        array([  0.  ,   0.55, -17.62])
    """
    return np.asarray(np.arctanh(np.clip(r, -_ONE, _ONE)))


def correlation_p(r: float, drawn: Float[Array, " draw"]) -> float:
    """Two-sided Monte-Carlo p (`two_sided_p`) of a correlation among a null's; NaN where there is none, or no draws.

    Example:
        >>> drawn = np.array([0.9, 0.8, 0.85])
        >>> correlation_p(0.2, drawn), correlation_p(0.85, drawn)
        (0.25, 1.0)
    """
    if not len(drawn) or not np.isfinite(drawn).all() or not np.isfinite(r):
        return float("nan")
    z = fisher(drawn)
    return float(two_sided_p(fisher(np.array([r])), z[:, None], sd=float(z.std()))[0])


def detectable_correlations(
    drawn: Float[Array, " draw"], level: float
) -> tuple[float, float] | None:
    """The correlations below and above which `correlation_p` finds one in 80 of 100 cases.

    Where a null's z, moved as far as to have this mean, would be found: `detectable_excess`, to either side.

    Args:
        drawn: The null's, two at least.
        level: Of this test, corrected over its family.

    Returns:
        None where so many draws can find nothing at that level.

    Example:
        >>> drawn = np.tanh(np.linspace(0.5, 1.5, 19))
        >>> low, high = detectable_correlations(drawn, 0.05)
        >>> round(low, 2), round(high, 2), detectable_correlations(drawn, 0.04)
        (0.11, 0.96, None)
    """
    z = fisher(drawn)
    up, down = detectable_excess(z, level), detectable_excess(-z, level)
    if up is None or down is None:
        return None
    return float(np.tanh(z.mean() - down)), float(np.tanh(z.mean() + up))
