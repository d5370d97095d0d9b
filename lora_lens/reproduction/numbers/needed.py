"""How many test rows or seeds it would take to decide whether two methods are equivalent."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass

from scipy.optimize import brentq

from .equivalence import POWER, Difference, Errors, decides

_MOST_SEEDS = 1000


@dataclass(frozen=True)
class Needed:
    """What would decide about a margin; None where no number of it would."""

    rows: int | None
    seeds: int | None
    both: tuple[int, int] | None


def needed(difference: Difference, margin: float) -> Needed:
    """Test rows with these seeds, or seeds with these rows, or (seeds, rows), for `margin` to be decided.

    That is, for two equal methods to be found equivalent within it in 80 of 100 cases. A row and a seed are taken to
    err as much as these; the test that so many are for will have an estimate of the seeds' error again, with
    as many degrees of freedom as its seeds less one.
    """
    count = len(difference.each)
    if count < 2:  # what seeds make is not known from one
        return Needed(None, None, None)
    rows = _rows_needed(difference, count, margin)
    seeds = _seeds_needed(difference, 1.0, margin)
    both = None
    if rows is None and seeds is None:
        # So many seeds that their part of the margin leaves one to a number of rows.
        enough = _seeds_needed(difference, math.inf, margin / math.sqrt(2))
        more = None if enough is None else _rows_needed(difference, enough, margin)
        both = None if enough is None or more is None else (enough, more)
    return Needed(rows, seeds, both)


def _seeds_needed(difference: Difference, times: float, margin: float) -> int | None:
    # The more seeds, the more often: the first that is enough is found by halving.
    numbers = range(len(difference.each), _MOST_SEEDS + 1)
    first = bisect_left(numbers, True, key=lambda n: _decides(difference, times, n, margin) >= 0)
    return numbers[first] if first < len(numbers) else None


def _rows_needed(difference: Difference, seeds: int, margin: float) -> int | None:
    if _decides(difference, math.inf, seeds, margin) <= 0:
        return None
    times = 1.0
    while _decides(difference, times, seeds, margin) < 0:
        times *= 2
    if times == 1.0:
        return difference.rows
    found = brentq(lambda x: _decides(difference, x, seeds, margin), times / 2, times)
    return math.ceil(difference.rows * float(found))


def _decides(difference: Difference, times: float, seeds: int, margin: float) -> float:
    """What the probability that `margin` is decided has over 80 %, with so many times the rows, and so many seeds."""
    own = difference.interaction
    shared = max(0.0, difference.rows_error**2 - own / len(difference.each))
    observed = difference.seeds_deviation**2
    spread = max(0.0, observed - own) + min(observed, own) / times
    by_rows = (shared + own / seeds) / times
    return decides(Errors(math.sqrt(by_rows), math.sqrt(spread / seeds), seeds), margin) - POWER
