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

# Outliers are few: one in 20, or of few numbers up to 8, are sought in the gaps between the largest; more, up to a
# quarter, above one gap for which the crowd below it gives the scale. Of the level ten elevenths are for the first.
_SHARE, _FEWEST, _QUARTER, _OF_FEW, _OF_MANY = 20, 8, 4, 1.1, 11
_DRAWS = 20_000
_AT_A_TIME = 1 << 20  # numbers that are drawn, in memory


@dataclass(frozen=True)
class Apart:
    """The largest numbers, and how surely each stands apart.

    Attributes:
        order: Positions of the largest, descending: as many as could have stood apart.
        p: Of each: the family-wise p-value of the gap that parts it from the rest, from 1.1/20001 where that is one of the first.
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
    """How many of `count` numbers can stand apart: a quarter.

    Example:
        >>> most_outliers(768), most_outliers(64), most_outliers(4)
        (191, 15, 0)
    """
    return max(0, (count - 1) // _QUARTER)


def standing_apart(values: Array, level: float = 0.01) -> Apart:
    """The numbers above a gap that is too large for the scale of the gaps around it, and what then stands apart from the rest.

    Of the first m, a twentieth or 8, the scale is the median of the 2m largest normalised gaps over ln 2: up to
    half of them may be gaps between outliers. Each gap is compared with the largest of m exponential
    ones beside the scale that is found from them: p is corrected for m gaps. Of more outliers than m most of those gaps are
    their own; so where none of these is too large, the largest of the further ones, down to a quarter, is compared with the scale
    of the 2m + 1 gaps below it. Its p, which has a closed form, is corrected for all of these; and both for there being two kinds: 1.1 and 11 times.

    What is above the first such gap is taken away, and the rest, whose largest is the first again, looked at in the same way. So the
    chance that one of a crowd is named is the level at most, alone or beside outliers far above it; beside outliers so near that hardly
    a gap parts them, a few times that (`tests/chance/test_spacings.py`). An outlier that others are far above has the power that it has alone.

    Args:
        values: Of which large ones are sought.
        level: The chance of naming any where none stands apart.

    Example:
        >>> crowd = np.random.default_rng(0).standard_normal(100)
        >>> standing_apart(np.append(crowd, [9.0, 12.0])).at(0.01)
        (101, 100)
        >>> len(standing_apart(np.append(crowd, np.linspace(9, 12, 20))).at(0.01))
        20
    """
    could, named = most_outliers(len(values)), 0
    if not could or not np.isfinite(values).all():
        return Apart((), ())
    order = np.argsort(-values, kind="stable")
    p = np.ones(could)
    while named < could:
        found = _in_turn(values[order[named:]], could - named, level)
        p[named:] = found
        if found[0] > level:
            break
        named += int((found <= level).sum())
    return Apart(tuple(order[:could].tolist()), tuple(p.tolist()))


def _in_turn(descending: Array, could: int, level: float) -> Array:
    """p of each that could stand apart: that of the first gap which parts any, of those above it; if there is none, each by its own."""
    gaps = np.arange(1, len(descending)) * (descending[:-1] - descending[1:])
    first = min(max(len(descending) // _SHARE, _FEWEST), could)
    p, found = _of_the_first(gaps, first), np.ones(could)
    parts = int((p <= level).argmax())
    if p[parts] <= level:
        found[: parts + 1] = p[parts]
        return found
    cut, of_many = _of_many(gaps, first, could)
    if of_many <= level:
        found[:cut] = of_many
        return found
    found[:first] = np.minimum.accumulate(p[::-1])[::-1]
    return found


def _of_the_first(gaps: Array, first: int) -> Array:
    """p of as many gaps, by the scale that they have together with as many below."""
    scale = _scale(gaps[: 2 * first])
    if scale <= 0:  # ties
        return np.ones(first)
    null = _largest_of(first)
    above = len(null) - np.searchsorted(null, gaps[:first] / scale)
    return np.minimum(1, _OF_FEW * (above + 1) / (len(null) + 1))


def _of_many(gaps: Array, first: int, could: int) -> tuple[int, float]:
    """Above how many numbers the largest of the further gaps is, 0 where there is none; and its p.

    The median of 2q + 1 exponential gaps is ``Σ_{j≤q} E_j/(2q + 1 − j)``, so that the chance of one above t times the scale that it
    gives is the product of ``1/(1 + t/(ln 2·(2q + 1 − j)))``.
    """
    above, below = np.arange(first + 1, could + 1), 2 * first + 1
    scales = np.array([_scale(gaps[k : k + below]) for k in above])
    times = np.divide(gaps[first:could], scales, out=np.zeros_like(scales), where=scales > 0)
    if not times.any():
        return 0, 1.0
    steps = math.log(2) * (below - np.arange(first + 1))
    alone = float(np.prod(1 / (1 + times.max() / steps)))
    return int(above[times.argmax()]), min(1.0, _OF_MANY * len(above) * alone)


def _scale(gaps: Array) -> float:
    return float(np.median(gaps)) / math.log(2)


@lru_cache
def _largest_of(most: int) -> Array:
    """Ascending: the largest of `most` exponential gaps over the scale found from 2·most, drawn."""
    generator, found = np.random.default_rng(0), list[Array]()
    step = max(1, _AT_A_TIME // (2 * most))
    for start in range(0, _DRAWS, step):
        gaps = generator.exponential(size=(min(step, _DRAWS - start), 2 * most))
        found.append(gaps[:, :most].max(1) / (np.median(gaps, 1) / math.log(2)))
    return np.sort(np.concatenate(found))
