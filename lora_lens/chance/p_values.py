"""Numbers against draws of a null: standardised, p-values and their corrections, excess.

All tests are of the upper tail: is it higher than chance?
"""

from __future__ import annotations

import math

import numpy as np

from ..labelled import Array

_RESOLUTION = 1e-6  # of φ in float32, which nulls are drawn in: what differs by less is a tie


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
    """p-values that control the false discovery rate (Benjamini and Hochberg 1995).

    Equivalent to ``scipy.stats.false_discovery_control``, whose module takes half as long to load as torch.
    """
    tests = len(p)
    order = np.argsort(p)
    stepped = p[order] * (tests / np.arange(1, tests + 1))
    adjusted = np.empty(tests)
    adjusted[order] = np.minimum.accumulate(stepped[::-1])[::-1].clip(0, 1)
    return adjusted


def fewest_discoveries(tests: int, draws: int, level: float) -> int:
    """How many of `tests` Monte-Carlo p-values must be the least possible for `benjamini_hochberg` to find them.

    k of them, of p = 1/(n+1) each, come out at tests/(k·(n+1)).

    Example:
        >>> fewest_discoveries(66, 200, 0.05)
        7
    """
    return math.ceil(tests / ((draws + 1) * level) - 1e-9)
