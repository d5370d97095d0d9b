"""Which of many numbers stand apart from all others: by the gaps between the largest.

Of independent values with an exponential tail the i-th largest and the next differ by an exponential
variable of mean s/i, all independent (Rényi 1953). So ``i·(x_(i) − x_(i+1))`` are of one scale
whatever that scale is, and a gap that is too large for it parts what is above from the rest. A tail
lighter than exponential, as a Gaussian's or a χ²'s is, has smaller gaps at its end: there the test finds
less than its level says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..labelled import Array

_SHARE, _FEWEST = 20, 8  # outliers are few: one in 20 at most, but of few numbers up to 8
_DRAWS = 20_000


@dataclass(frozen=True)
class Apart:
    """The largest numbers, and how surely each stands apart.

    Attributes:
        order: Positions of the largest, descending: as many as could have stood apart.
        p: Of each: the least family-wise p-value of a gap below it, from 1/20001.
    """

    order: tuple[int, ...]
    p: tuple[float, ...]

    def at(self, level: float) -> tuple[int, ...]:
        """Those that stand apart at a level: the chance of any, where there is none."""
        return tuple(k for k, p in self.by_position.items() if p <= level)

    @property
    def by_position(self) -> dict[int, float]:
        """p of each of the largest, by its position."""
        return dict(zip(self.order, self.p, strict=True))


def most_outliers(count: int) -> int:
    """How many of `count` numbers can stand apart: a twentieth, or up to 8; four times as many are needed.

    Example:
        >>> most_outliers(768), most_outliers(64), most_outliers(24), most_outliers(4)
        (38, 8, 5, 0)
    """
    return max(0, min(max(count // _SHARE, _FEWEST), (count - 1) // 4))


def standing_apart(values: Array) -> Apart:
    """The numbers above the lowest gap that is too large for the scale of the gaps around it.

    The scale is the median of the 2m largest normalised gaps, m from `most_outliers`, over ln 2: up to
    half of them may be gaps between outliers. Each gap is compared with the largest of m exponential
    ones beside the scale that is found from them: p is corrected for m gaps.

    Example:
        >>> crowd = np.random.default_rng(0).standard_normal(100)
        >>> standing_apart(np.append(crowd, [9.0, 12.0])).at(0.01)
        (101, 100)
    """
    most = most_outliers(len(values))
    if not most or not np.isfinite(values).all():
        return Apart((), ())
    order = np.argsort(-values, kind="stable")
    descending = values[order[: 2 * most + 1]]
    gaps = np.arange(1, 2 * most + 1) * (descending[:-1] - descending[1:])
    scale = float(np.median(gaps)) / math.log(2)
    if scale <= 0:  # ties
        return Apart((), ())
    null = _largest_of(most)
    above = len(null) - np.searchsorted(null, gaps[:most] / scale)
    p = (above + 1) / (len(null) + 1)
    innermost = np.minimum.accumulate(p[::-1])[::-1]
    return Apart(tuple(order[:most].tolist()), tuple(innermost.tolist()))


@lru_cache
def _largest_of(most: int) -> Array:
    """Ascending: the largest of `most` exponential gaps over the scale found from 2·most, drawn."""
    gaps = np.random.default_rng(0).exponential(size=(_DRAWS, 2 * most))
    return np.sort(gaps[:, :most].max(1) / (np.median(gaps, 1) / math.log(2)))
