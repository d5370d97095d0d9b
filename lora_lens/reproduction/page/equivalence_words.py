"""What the test of equivalence says, in a table and in sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ...labelled import Row, plain
from ...show.layout import NONE, Table, counted, p_text, p_value
from ..experiment.paper import NAMES, TASK_NAMES
from ..numbers.equivalence import (
    Difference,
    errors_of,
    interval,
    rows_only,
    smallest_margin,
    tost,
    verdict,
)
from ..numbers.needed import Needed, needed

Differences = Mapping[str, Sequence[Difference]]


def equivalence_table(found: Differences, margin: float) -> Table:
    """A row a task and pair of methods, in points; what can be decided stands before what was found."""
    rows = [
        [
            TASK_NAMES[task],
            f"{NAMES[one.one]} − {NAMES[one.other]}",
            f"{one.rows:,}",
            str(len(one.each)),
            decidable(one),
            points(one.mean),
            span(one.rows_interval),
            span(interval(one.mean, errors_of(one))),
            p_value(tost(one.mean, errors_of(one), margin / 100)),
            in_words(one, margin),
            it_would_take(one, margin),
        ]
        for task, differences in found.items()
        for one in differences
    ]
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


def equivalence_rows(found: Differences, margin: float) -> list[Row]:
    """One row a task and pair of methods, for CSV; scores as fractions."""
    rows = []
    for task, differences in found.items():
        for one in differences:
            both = errors_of(one)
            low, high = interval(one.mean, both)
            takes = needed(one, margin / 100)
            rows.append(
                {
                    "task": task, "one": one.one, "other": one.other, "rows": one.rows,
                    "seeds": len(one.each), "margin": margin / 100,
                    "decidable_margin": plain(smallest_margin(both)),
                    "decidable_margin_rows": plain(smallest_margin(rows_only(one))),
                    "difference": plain(one.mean), "rows_error": plain(one.rows_error),
                    "seeds_error": plain(one.seeds_error),
                    "seeds_component": plain(one.seeds_component),
                    "rows_low": plain(one.rows_interval[0]), "rows_high": plain(one.rows_interval[1]),
                    "low": plain(low), "high": plain(high),
                    "p_tost": plain(tost(one.mean, both, margin / 100)),
                    "p_tost_rows": plain(tost(one.mean, rows_only(one), margin / 100)),
                    "verdict": verdict(one, both, margin / 100),
                    "verdict_rows": verdict(one, rows_only(one), margin / 100),
                    "rows_needed": takes.rows, "seeds_needed": takes.seeds,
                }
            )  # fmt: skip
    return rows


def sentence(task: str, one: Difference, margin: float, paper: float | None = None) -> str:
    """What could be decided, what was found, and what follows, in this order."""
    both, alone = errors_of(one), rows_only(one)
    takes = it_would_take(one, margin)
    seeds = len(one.each)
    sample = f"**{TASK_NAMES[task]}**, {one.rows:,} test rows and {counted(seeds, 'seed')}"
    of_these = f"{100 * smallest_margin(alone):.1f}"
    found = (
        f"{NAMES[one.one]} less {NAMES[one.other]} is {points(one.mean)} points, 95 % interval "
        f"{span(one.rows_interval)} over the rows"
    )
    if seeds > 1:
        parts = [
            f"{sample}: these can decide a margin of {decidable(one)} points, if their errors are as estimated (of "
            f"{of_these}, were these adapters all there is to know of).",
            f"{found} and {span(interval(one.mean, both))} over rows and seeds; equivalence within {margin:g} has "
            f"{p_text(tost(one.mean, both, margin / 100))}: **{in_words(one, margin)}**.",
        ]
    else:
        parts = [
            f"{sample}: one seed can decide no margin, for it does not show how seeds differ ({of_these} points, were these "
            f"adapters all there is to know of).",
            f"{found}; over seeds there is none: **{in_words(one, margin)}**.",
        ]
    parts.append(
        f"Of these adapters alone, as they are: {_words(verdict(one, alone, margin / 100), margin)} "
        f"(equivalence: {p_text(tost(one.mean, alone, margin / 100))})."
    )
    if takes != NONE:
        by = ", by the same estimates" if seeds > 1 else ""
        parts.append(f"To decide about {margin:g} would take {takes}{by}.")
    if paper is not None:
        parts.append(f"The paper's difference is {points(paper / 100)}.")
    return " ".join(parts)


def in_words(one: Difference, margin: float) -> str:
    """The verdict over rows and seeds."""
    return _words(verdict(one, errors_of(one), margin / 100), margin)


def _words(found: str, margin: float) -> str:
    if found.startswith("equivalent"):
        return found.replace("equivalent", f"equivalent within {margin:g}")
    return found


def it_would_take(one: Difference, margin: float) -> str:
    """Rows or seeds for the margin to be decided; a dash where these decide it."""
    if smallest_margin(errors_of(one)) <= margin / 100:
        return NONE
    if len(one.each) < 2:
        return "more seeds than one"
    return _takes(needed(one, margin / 100), one)


def _takes(found: Needed, one: Difference) -> str:
    ways = []
    if found.seeds:
        ways.append(f"{found.seeds} seeds")
    if found.rows:
        ways.append(f"{_rounded(found.rows)} test rows with {counted(len(one.each), 'seed')}")
    if found.both:
        seeds, rows = found.both
        ways.append(f"{seeds} seeds and {_rounded(rows)} test rows")
    return " or ".join(ways) if ways else "more than a thousand seeds"


def _rounded(number: int) -> str:
    """To two digits: an estimate from a few seeds is no better."""
    unit = 10 ** max(0, len(str(number)) - 2)
    return f"{math.ceil(number / unit) * unit:,}"


def decidable(one: Difference) -> str:
    """The smallest margin that rows and seeds can decide, in points."""
    found = smallest_margin(errors_of(one))
    return f"{100 * found:.1f}" if math.isfinite(found) else NONE


def points(value: float) -> str:
    """A difference in points, with its sign."""
    return f"{100 * value:+.1f}".replace("-", "−")


def span(found: tuple[float, float]) -> str:
    """An interval in points."""
    low, high = found
    return NONE if math.isnan(low) else f"{points(low)} to {points(high)}"
