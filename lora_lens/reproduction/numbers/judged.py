"""What is said of two methods' difference within a margin: intervals, the test's verdict, and what would decide."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ...labelled import Row, plain
from .equivalence import (
    LEVEL,
    Difference,
    Errors,
    errors_of,
    interval,
    rows_only,
    smallest_margin,
    tost,
)
from .needed import Needed, needed

Verdict = Literal["equivalent", "different", "equivalent, not equal", "cannot be decided"]


@dataclass(frozen=True)
class Judgement:
    """What is said of a mean difference that errs so.

    Attributes:
        interval: Of 95 %; NaN for one seed.
        p: Of TOST; NaN for one seed.
        decidable: The margin that such errors can decide (see `smallest_margin`); infinite for one seed.
    """

    interval: tuple[float, float]
    p: float
    decidable: float

    @property
    def verdict(self) -> Verdict:
        """What the test of equivalence and that of no difference say together, both at 5 %."""
        low, high = self.interval
        apart = low > 0 or high < 0
        if self.p <= LEVEL:
            return "equivalent, not equal" if apart else "equivalent"
        return "different" if apart else "cannot be decided"


@dataclass(frozen=True)
class Judged:
    """A difference, and what is said of it within a margin; all but `points` as fractions of the metric.

    Attributes:
        difference: Of what.
        points: The margin, in points.
        both: With error by rows and by seeds.
        alone: Of these adapters alone, as they are: by the rows.
        needed: What it would take to decide the margin.
    """

    difference: Difference
    points: float
    both: Judgement
    alone: Judgement
    needed: Needed

    @property
    def margin(self) -> float:
        """As a fraction."""
        return self.points / 100

    @property
    def is_decidable(self) -> bool:
        """Whether these rows and seeds can decide the margin."""
        return self.both.decidable <= self.margin

    def row(self, task: str) -> Row:
        """As one row of a CSV file."""
        one, both, alone = self.difference, self.both, self.alone
        return {
            "task": task, "one": one.one, "other": one.other, "rows": one.rows,
            "seeds": len(one.each), "margin": self.margin,
            "decidable_margin": plain(both.decidable),
            "decidable_margin_rows": plain(alone.decidable),
            "difference": plain(one.mean), "rows_error": plain(one.rows_error),
            "seeds_error": plain(one.seeds_error),
            "seeds_component": plain(one.seeds_component),
            "rows_low": plain(one.rows_interval[0]), "rows_high": plain(one.rows_interval[1]),
            "low": plain(both.interval[0]), "high": plain(both.interval[1]),
            "p_tost": plain(both.p), "p_tost_rows": plain(alone.p),
            "verdict": both.verdict, "verdict_rows": alone.verdict,
            "rows_needed": self.needed.rows, "seeds_needed": self.needed.seeds,
        }  # fmt: skip


def judged(difference: Difference, points: float) -> Judged:
    """What is said of a difference within so many points, each a hundredth of the metric.

    Example:
        >>> import numpy as np
        >>> seeds, each = (0, 1), (0.001, 0.002)
        >>> one = Difference("condlora", "lora", seeds, each, 1500, np.full((2, 2), 4e-6), (-0.003, 0.006))
        >>> [judged(one, points).both.verdict for points in (0.5, 1)]
        ['cannot be decided', 'equivalent']
    """
    margin = points / 100
    return Judged(
        difference,
        points,
        _judgement(difference, errors_of(difference), margin),
        _judgement(difference, rows_only(difference), margin),
        needed(difference, margin),
    )


def pair_of(found: Iterable[Judged], one: str, other: str) -> Judged | None:
    """That of `one` less `other`, if it is there."""
    pairs = {(each.difference.one, each.difference.other): each for each in found}
    return pairs.get((one, other))


def _judgement(difference: Difference, errors: Errors, margin: float) -> Judgement:
    mean = difference.mean
    return Judgement(interval(mean, errors), tost(mean, errors, margin), smallest_margin(errors))
