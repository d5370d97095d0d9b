"""Numbers against draws of a null: standardised, p-values and their corrections, excess.

All but `two_sided_p` are of the upper tail: is it higher than chance?
"""

from __future__ import annotations

import math
from typing import SupportsIndex

import numpy as np

from ..core.numbers.whole import whole
from ..errors import LensError
from ..labelled import Array

RESOLUTION = 1e-6  # of φ in float32, which nulls are drawn in: what differs by less is a tie
_NO_TIE = 1e-2  # deviations of a null: values that far apart differ, however small they are


def check_draws(draws: SupportsIndex) -> int:
    """How many, as Python's own; LensError unless there are none, or enough for a deviation.

    Example:
        >>> check_draws(np.int64(20))
        20
        >>> check_draws(1)
        Traceback (most recent call last):
        ...
        lora_lens.errors.LensError: draws is 1; expected 0 for no sampled nulls, or at least 2
    """
    number = whole(draws, "draws")
    if number < 0 or number == 1:
        raise LensError(f"draws is {number}; expected 0 for no sampled nulls, or at least 2")
    return number


def check_seed(seed: SupportsIndex) -> int:
    """It, as Python's own; LensError where no generator takes it.

    Example:
        >>> check_seed(np.int64(3))
        3
        >>> check_seed(-1)
        Traceback (most recent call last):
        ...
        lora_lens.errors.LensError: seed is -1; expected a whole number from 0 to 2⁶³ − 1
    """
    number = whole(seed, "seed")
    if not 0 <= number < 2**63:
        raise LensError(f"seed is {number}; expected a whole number from 0 to 2⁶³ − 1")
    return number


def standardised(values: Array, mean: Array, sd: Array, *, cells: int = 1) -> Array:
    """(value − mean)/sd; NaN where the null does not vary beyond float32's resolution.

    Args:
        values, mean, sd: Of φ, or of means of it.
        cells: Over how many cells those means are.

    Example:
        >>> standardised(np.array([0.5, 0.5]), np.array([0.3, 0.3]), np.array([0.1, 1e-9])).round(6)
        array([ 2., nan])
    """
    varies = np.where(sd > _resolution(cells), sd, np.nan)
    return np.asarray((values - mean) / varies)


def _resolution(cells: int) -> float:
    """What rounding in float32 moves φ by at most, or a mean of φ over cells.

    Cells that share a layer share its rounding, and n pairs of layers come from about √(2n) layers.
    """
    return RESOLUTION / cells**0.25


def excess(phi: Array, null_mean: Array) -> Array:
    """Excess similarity (φ − null)/(1 − null): what is left of φ when chance is taken away, at most 1.

    0 where φ is the null's mean, negative below it, 1 for equal subspaces; NaN where the null is 1.

    Example:
        >>> excess(np.array([0.1, 0.2, 0.6, 1.0]), np.full(4, 0.2)).round(6).tolist()
        [-0.125, 0.0, 0.5, 1.0]
    """
    room = 1 - null_mean
    return np.asarray((phi - null_mean) / np.where(room > RESOLUTION, room, np.nan))


def monte_carlo_p(
    observed: Array, null: Array, *, sd: Array | float = 0.0, cells: int = 1
) -> Array:
    """(b+1)/(n+1): b of the n null values along the first axis are at least the observed one.

    It is never 0, and a test by it holds its level at any n (Phipson and Smyth 2010). Values within
    float32's resolution are ties, which count against the observed one; not so values that are a
    hundredth of the null's deviation apart, where the null varies at all.

    Args:
        observed: φ, or means of it.
        null: (draw, …) the same under the null.
        sd: The null's deviation, where it may be so small that float32's resolution is much beside it.
        cells: As in `standardised`.

    Example:
        >>> null = np.array([[0.1], [0.2], [0.3], [0.4]])
        >>> monte_carlo_p(np.array([0.9, 0.35, 0.3]), null)  # 0 of 4, 1, and 2 with a tie
        array([0.2, 0.4, 0.6])
    """
    at_least = (null >= observed - _tie(sd, cells)).sum(0)
    return np.asarray((at_least + 1) / (len(null) + 1))


def _tie(sd: Array | float, cells: int) -> Array:
    """What observed and null may differ by and count as equal."""
    varies = np.asarray(sd) > _resolution(cells)
    return np.where(varies, np.minimum(RESOLUTION, _NO_TIE * np.asarray(sd)), RESOLUTION)


def two_sided_p(observed: Array, null: Array, *, sd: Array | float = 0.0, cells: int = 1) -> Array:
    """(b+1)/(n+1): b of the n null values are as far from the middle as the observed one, on either side.

    The middle is the mean of null values and observed one together: then each of the n + 1 is as good
    as another, and a test holds its level at any n whatever the null's shape. Twice the smaller tail
    would hold it too, and need twice the draws for the same least p.

    Args:
        observed: φ, or means of it.
        null: (draw, …) the same under the null.
        sd, cells: As in `monte_carlo_p`, which has the same ties.

    Example:
        >>> null = np.array([[1.0], [2.0], [3.0]])
        >>> two_sided_p(np.array([6.0, 2.0]), null)  # farther than all, and in the middle of all
        array([0.25, 1.  ])
    """
    middle = (null.sum(0) + observed) / (len(null) + 1)
    as_far = np.abs(null - middle) >= np.abs(observed - middle) - _tie(sd, cells)
    return np.asarray((as_far.sum(0) + 1) / (len(null) + 1))


def holm(p: Array) -> Array:
    """p-values corrected for how many there are, so that any false one at α has a chance of α (Holm 1979).

    The k-th smallest of m is multiplied by m − k + 1; none comes out below a smaller one. It holds
    however the tests depend on each other.

    Example:
        >>> holm(np.array([0.01, 0.04, 0.03])).round(6).tolist()
        [0.03, 0.06, 0.06]
    """
    order = np.argsort(p, kind="stable")
    scaled = p[order] * np.arange(len(p), 0, -1)
    found = np.empty(len(p))
    found[order] = np.minimum(1, np.maximum.accumulate(scaled))
    return found


def max_statistic_p(z: Array, null_z: Array, tie: Array | float = 0.0) -> Array:
    """Family-wise p-values: the share of draws whose largest z of all cells reaches the cell's own.

    Single-step Westfall and Young (1993): it heeds how cells depend on each other.

    Args:
        z: (cell,), NaN where the null does not vary.
        null_z: (draw, cell), standardised as `z` is.
        tie: (cell,) by how much a null value may fall short of the observed one and be the same: where
            a draw can hold an observed cell itself, rounding must not decide.

    Example:
        >>> null_z = np.array([[0.0, 1.5], [2.0, 0.0], [0.0, 0.0]])  # the largest are 1.5, 2 and 0
        >>> max_statistic_p(np.array([3.0, 1.0]), null_z)
        array([0.25, 0.75])
    """
    varies = np.isfinite(z)
    if not varies.any():
        return np.full(z.shape, np.nan)
    highest = (null_z + tie)[:, varies].max(1)
    return np.where(varies, monte_carlo_p(z, highest[:, None]), np.nan)


def benjamini_hochberg(p: Array) -> Array:
    """p-values that control the false discovery rate (Benjamini and Hochberg 1995).

    Equivalent to ``scipy.stats.false_discovery_control``, whose module takes half as long to load as torch.

    Example:
        >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03])).round(6).tolist()
        [0.03, 0.04, 0.04]
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


def fewest_draws(level: float, *, tests: int = 1) -> int:
    """How many draws it takes for one of `tests` Monte-Carlo p-values to be at most `level` when corrected.

    p is no less than 1/(draws + 1), and `tests` times that after Bonferroni, Holm or, for the only
    small one, Benjamini and Hochberg.

    Example:
        >>> fewest_draws(0.05), fewest_draws(0.05, tests=12)
        (19, 239)
    """
    return math.ceil(tests / level - 1 - 1e-9)
