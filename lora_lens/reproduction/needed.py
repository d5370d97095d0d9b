"""How many test rows or seeds it would take to decide whether two methods are equivalent."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.optimize import brentq

from .equivalence import Difference, Errors, smallest_margin

_MOST_SEEDS = 1000


@dataclass(frozen=True)
class Needed:
    """What would decide about a margin; None where no number of it would."""

    rows: int | None
    seeds: int | None
    both: tuple[int, int] | None


def needed(difference: Difference, margin: float) -> Needed:
    """Test rows with these seeds, or seeds with these rows, or (seeds, rows), for `margin` to be decided."""
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
    numbers = range(len(difference.each), _MOST_SEEDS + 1)
    return next((n for n in numbers if _margin(difference, times, n) <= margin), None)


def _rows_needed(difference: Difference, seeds: int, margin: float) -> int | None:
    if _margin(difference, math.inf, seeds) >= margin:
        return None
    times = 1.0
    while _margin(difference, times, seeds) > margin:
        times *= 2
    if times == 1.0:
        return difference.rows
    found = brentq(lambda x: _margin(difference, x, seeds) - margin, times / 2, times)
    return math.ceil(difference.rows * float(found))


def _margin(difference: Difference, times: float, seeds: int) -> float:
    """`smallest_margin` with so many times the rows, and so many seeds."""
    own = difference.interaction
    shared = max(0.0, difference.rows_error**2 - own / len(difference.each))
    observed = difference.seeds_deviation**2
    spread = max(0.0, observed - own) + min(observed, own) / times
    by_rows = (shared + own / seeds) / times
    return smallest_margin(Errors(math.sqrt(by_rows), math.sqrt(spread / seeds), seeds))
