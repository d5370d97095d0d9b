"""The minimum detectable effect: how far beyond a null's mean a number must be for its test, by so many draws, to find it in 80 of 100 cases."""

from __future__ import annotations

import math
from functools import cache
from statistics import NormalDist

import numpy as np
from jaxtyping import Bool, Float

from ..labelled import Array, Mask

POWER = 0.8
_GRID = np.linspace(-9.0, 9.0, 3601)  # of a standard normal
_FARTHEST = 60.0  # deviations
_MOST_NUMBERS = 200  # of whose thresholds the quantile is


@cache
def detectable_deviations(level: float, draws: int) -> float | None:
    """Deviations of the null, assumed normal, that a number must be off, to either side, to be found in 80 of 100 cases.

    A test by n draws finds what fewer than ``level·(n + 1)`` of them are as far off as: beside the number's
    own scatter there is that of its threshold, one of the farthest draws. With n large it is
    ``z_{1−level/2} + z_{0.8}``, 2.80 at 0.05; with the 19 draws that this takes at least, 3.22.

    Args:
        level: Of this test, corrected over its family.
        draws: n.

    Returns:
        None where so many draws can find nothing at that level.

    Example:
        >>> round(detectable_deviations(0.05, 10**4), 2), round(detectable_deviations(0.05, 19), 2), detectable_deviations(0.05, 18)
        (2.8, 3.22, None)
    """
    most = math.floor(level * (draws + 1) + 1e-9) - 1  # draws as far off that a find may have
    if most < 0:
        return None
    tail = NormalDist().cdf
    # The middle is that of draws and number together, which moves towards the number.
    nearer = (draws - 1) / (draws + 1)
    beyond = np.array([tail(-t) + tail(-nearer * t) for t in _GRID])
    below = _at_most(most, draws, beyond)  # the threshold's distribution
    found, missed = 0.0, _FARTHEST
    for _ in range(60):
        shift = (found + missed) / 2
        if _mean_of(below, shift) < POWER:
            found = shift
        else:
            missed = shift
    return missed


def detectable_excess(drawn: Array, level: float) -> float | None:
    """The excess over the mean of a null's draws that their test finds in 80 of 100 cases, whatever the null's shape.

    By other draws of a heavy-tailed null it is found less often (``benchmarks/heavy_tails.py``, docs/theory.md).

    The threshold is the distance of the k-th farthest draw from the mean, k = ⌊level·(n + 1)⌋, those below it as far as they are
    from a mean that holds the number itself; an excess is found where a draw with it added is beyond that, as four of five
    new ones are.

    Args:
        drawn: (n,), the numbers that the test compares with, two at least.
        level: Of this test, of both tails, corrected over its family.

    Returns:
        None where so many draws can find nothing at that level.

    Example:
        >>> drawn = np.arange(1.0, 20.0)  # 19 draws about 10: the farthest is 9 below, and 10 below a mean with the number in it
        >>> round(detectable_excess(drawn, 0.05), 6), detectable_excess(drawn, 0.04)  # four of five new ones are above 4
        (16.0, None)
    """
    n = len(drawn)
    k = math.floor(level * (n + 1) + 1e-9)
    if k < 1:
        return None
    off = drawn - drawn.mean()
    farthest = np.sort(np.where(off > 0, off, -off * (n + 1) / (n - 1)))[-k]
    return float(farthest - np.quantile(off, 1 - POWER, method="weibull"))


def detectable_excess_of_shuffles(
    drawn: Float[Array, "draw layer"], in_place: Bool[Mask, "draw layer"], level: float
) -> float | None:
    """The excess in every layer that a test of the mean by shuffles finds in 80 of 100 cases: shuffles that leave layers in place have some of it too.

    Draws without a layer in place are what the number could be without an excess. Beside each of them a draw is as far off up to an excess
    that follows from the layers not in place alone; the k-th largest of these is the threshold, k as in `detectable_excess`.

    Args:
        drawn: The numbers whose means the test compares with.
        in_place: Where a draw has the tested number itself.
        level: As in `detectable_excess`.

    Returns:
        As there, and None where every draw has a layer in place.

    Example:
        Of five layers every order but their own: a swap of two has three fifths of the excess, and it takes twice as much as of draws without any.

        >>> from itertools import permutations
        >>> orders = np.array([*permutations(range(5))][1:])
        >>> phi = np.random.default_rng(0).uniform(0.0, 0.1, (5, 5))
        >>> drawn, in_place = phi[range(5), orders], orders == np.arange(5)
        >>> round(detectable_excess_of_shuffles(drawn, in_place, 0.0125), 3), round(detectable_excess(drawn.mean(1), 0.0125), 3)
        (0.079, 0.043)
    """
    n, layers = drawn.shape
    k = math.floor(level * (n + 1) + 1e-9)
    if k < 1 or in_place.any(1).all():
        return None
    numbers = drawn[~in_place.any(1)][:_MOST_NUMBERS]
    # Shuffles of a grid less its diagonal vary as what its rows and columns leave does; a new diagonal varies as all of it.
    left = (layers**2 - 3 * layers + 1) / (layers * (layers - 1))
    numbers = numbers.mean(0) + (numbers - numbers.mean(0)) / left**0.5
    own = numbers.mean(1)
    moved = np.where(in_place, 0.0, drawn).sum(1) / layers
    draws = moved + numbers @ in_place.T / layers
    held = in_place.mean(1)
    middle = (draws.sum(1) + own) / (n + 1)
    above = (draws - own[:, None]) / np.maximum(1 - held, 1e-9)
    below = (2 * middle - own)[:, None] - draws
    below /= 1 + held - 2 * (1 + held.sum()) / (n + 1)
    farthest = np.sort(np.maximum(above, below), axis=1)[:, -k]
    return float(np.quantile(farthest, POWER, method="weibull"))


def _mean_of(below: Array, shift: float) -> float:
    """Of a distribution function at a normal number of mean `shift`."""
    width = _GRID[1] - _GRID[0]
    at = np.interp(_GRID + shift, _GRID, below, left=0.0, right=1.0)
    return float((at * np.exp(-(_GRID**2) / 2)).sum() * width / math.sqrt(2 * math.pi))


def _at_most(most: int, draws: int, chance: Array) -> Array:
    """P(at most so many of the draws), each with that chance."""
    inside = chance.clip(1e-300, 1 - 1e-16)
    counts = np.arange(most + 1)[:, None]
    ways = np.array(
        [
            math.lgamma(draws + 1) - math.lgamma(c + 1) - math.lgamma(draws - c + 1)
            for c in counts[:, 0]
        ]
    )
    logs = ways[:, None] + counts * np.log(inside) + (draws - counts) * np.log1p(-inside)
    return np.asarray(np.exp(logs).sum(0).clip(0, 1))
