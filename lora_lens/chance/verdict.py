"""From what was tested to what may be said: one correction over a family, one verdict for one test.

A family is all that one command tests, or one report. Holm's correction over it keeps the chance that
pure noise is called anything at all at `LEVEL`, however the tests hang together. A number that is not
found says little without the size that would have been: `Verdict.detectable`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ..labelled import Array, Mask
from .correlations import detectable_correlations
from .detectable import detectable_deviations, detectable_excess, detectable_excess_of_shuffles
from .detectable_phi import detectable_deviations_of_phi
from .p_values import holm
from .significance import LEVEL

Word = Literal["more", "less", "not seen"]


@dataclass(frozen=True)
class Trial:
    """A number that was tested against draws of a null.

    Attributes:
        value: The number.
        mean, sd: Of the null; sd is NaN where one excess alone is not found however large it is.
        p: Uncorrected, over both tails or over all places where it could have been found.
        draws: Null values behind p, which is 1/(draws + 1) at least.
        floor: What φ is at least, where the null is one of φ: nearly a gamma distribution above that. None where
            it is taken as normal.
        drawn: The null's own draws, where they tell what would have been found.
        in_place: Where `drawn` are shuffles, layer by layer: which of them hold the tested layer itself.
        correlation: Whether it is one, from −1 to 1, and `drawn` the null's.
    """

    value: float
    mean: float
    sd: float
    p: float
    draws: int
    floor: float | None = None
    drawn: Array | None = field(default=None, repr=False, compare=False)
    in_place: Mask | None = field(default=None, repr=False, compare=False)
    correlation: bool = False

    @property
    def least(self) -> float:
        """The smallest p that so many draws can give."""
        return 1 / (self.draws + 1)


@dataclass(frozen=True)
class Verdict:
    """What may be said of a number beside chance.

    Attributes:
        word: ``more`` or ``less`` where the corrected p is at most `LEVEL`, else ``not seen``.
        p: Corrected over the family.
        detectable: The excess over the null's mean that is found in 80 of 100 cases at the level divided by
            the family's size, by so many draws: ``lora_lens.chance.detectable``, and of a null that has a floor
            ``detectable_deviations_of_phi`` where that is farther; by the draws themselves (``detectable_excess``, ``detectable_excess_of_shuffles``) where they are at hand. None where no excess could be found, for there are too few draws.
        family: How many tests it was corrected for.
        below: Of a correlation, whose ends are not equally far, how far below the mean it would be found as well
            (``detectable_correlations``); of others as far as above.
    """

    word: Word
    p: float
    detectable: float | None
    family: int
    below: float | None = None


def judge(trials: Sequence[Trial]) -> list[Verdict]:
    """A verdict for each of a family of tests.

    Tests that could not be found whatever the data were, for they have too few draws, take no part: a
    test that cannot err needs no correction, and would only cost the others. The remaining p are
    Holm's.

    Args:
        trials: The family.

    Example:
        >>> trials = [Trial(0.4, 0.1, 0.05, p, draws=99) for p in (0.01, 0.03)]
        >>> [(one.word, one.p) for one in judge(trials)]
        [('more', 0.02), ('more', 0.03)]
        >>> [(one.word, one.detectable) for one in judge([Trial(0.4, 0.1, 0.05, 0.1, draws=9)])]
        [('not seen', None)]
    """
    able = _able(trials)
    count = sum(able)
    corrected = iter(holm(np.array([one.p for one, can in zip(trials, able, strict=True) if can])))
    return [
        _verdict(one, float(next(corrected)), count)
        if can
        else Verdict("not seen", min(1.0, one.p * len(trials)), None, len(trials))
        for one, can in zip(trials, able, strict=True)
    ]


def _able(trials: Sequence[Trial]) -> list[bool]:
    """Which tests can be found in the family of those that can: the largest such family.

    Tests of equally many draws are in it together or not at all, so that no order of theirs matters.
    """
    ends = sorted({one.least for one in trials}, reverse=True)
    family = ([one.least <= end for one in trials] for end in ends)
    found = (
        able for end, able in zip(ends, family, strict=True) if end * sum(able) <= LEVEL + 1e-12
    )
    return next(found, [False] * len(trials))


def _verdict(one: Trial, p: float, family: int) -> Verdict:
    word: Word = "not seen"
    if p <= LEVEL:
        word = "more" if one.value > one.mean else "less"
    if one.correlation and one.drawn is not None:
        ends = detectable_correlations(one.drawn, LEVEL / family)
        if ends is not None:
            return Verdict(word, p, ends[1] - one.mean, family, below=one.mean - ends[0])
    excess = _excess(one, LEVEL / family)
    return Verdict(word, p, excess if math.isfinite(excess) else None, family)


def _excess(one: Trial, level: float) -> float:
    """That is found in 80 of 100 cases; NaN where none is."""
    if one.drawn is not None:
        found = (
            detectable_excess(one.drawn, level)
            if one.in_place is None
            else detectable_excess_of_shuffles(one.drawn, one.in_place, level)
        )
        return math.nan if found is None else found
    deviations = _deviations(one, level)
    return math.nan if deviations is None else deviations * one.sd


def _deviations(one: Trial, level: float) -> float | None:
    normal = detectable_deviations(level, one.draws)
    if normal is None or one.floor is None or not (one.sd > 0 and one.mean > one.floor):
        return normal
    shape = ((one.mean - one.floor) / one.sd) ** 2
    return max(normal, detectable_deviations_of_phi(shape, level, one.draws) or normal)
