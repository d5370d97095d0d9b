"""Whether two methods are equivalent within a margin: what rows and seeds can decide, and what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ....show.layout import Table, p_value
from ...experiment.paper import NAMES, TASK_NAMES
from ...numbers.judged import Judged
from ..equivalence_words import decidable, in_words, it_would_take, points, span


def equivalence_table(found: Mapping[str, Sequence[Judged]]) -> Table:
    """A row a task and pair of methods, in points; what can be decided stands before what was found.

    Args:
        found: Task to what is said of its pairs, of one of them at least, all within one margin.
    """
    listed = [(task, one) for task, pairs in found.items() for one in pairs]
    rows = [
        [
            TASK_NAMES[task],
            f"{NAMES[one.difference.one]} − {NAMES[one.difference.other]}",
            f"{one.difference.rows:,}",
            str(len(one.difference.each)),
            decidable(one),
            points(one.difference.mean),
            span(one.difference.rows_interval),
            span(one.both.interval),
            p_value(one.both.p),
            in_words(one),
            it_would_take(one),
        ]
        for task, one in listed
    ]
    margin = listed[0][1].points
    return Table(
        f"Whether two methods are equivalent within {margin:g} point{'' if margin == 1 else 's'}: the margin that these rows and seeds can "
        "decide with 80 % power, were there no difference and the true errors those estimated; the difference with its 95 % intervals, over "
        "the test rows and over rows and seeds; p of TOST with rows and seeds; what it would take to decide, errors being "
        "as estimated. All in points",
        [
            "task", "difference of", "rows", "seeds", "decidable margin", "difference", "interval, rows",
            "interval, rows and seeds", "p, TOST", "verdict", "it would take",
        ],
        rows,
    )  # fmt: skip
