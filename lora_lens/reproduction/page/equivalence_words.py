"""What the test of equivalence says, in words and in points."""

from __future__ import annotations

import math

from ...several import counted
from ...show.layout import NONE, p_text
from ..experiment.paper import NAMES, TASK_NAMES
from ..numbers.judged import Judged, Verdict


def sentence(task: str, one: Judged, paper: float | None = None) -> str:
    """What could be decided, what was found, and what follows, in this order.

    Args:
        task: Its name.
        one: What is said of its difference.
        paper: The paper's difference, in points.
    """
    difference, both, alone = one.difference, one.both, one.alone
    takes = it_would_take(one)
    seeds = len(difference.each)
    sample = f"**{TASK_NAMES[task]}**, {difference.rows:,} test rows and {counted(seeds, 'seed')}"
    of_these = f"{100 * alone.decidable:.1f}"
    found = (
        f"{NAMES[difference.one]} less {NAMES[difference.other]} is {points(difference.mean)} points, 95 % interval "
        f"{span(difference.rows_interval)} over the rows"
    )
    if seeds > 1:
        parts = [
            f"{sample}: these can decide a margin of {decidable(one)} points, if their errors are as estimated (of "
            f"{of_these}, were these adapters all there is to know of).",
            f"{found} and {span(both.interval)} over rows and seeds; equivalence within {one.points:g} has "
            f"{p_text(both.p)}: **{in_words(one)}**.",
        ]
    else:
        parts = [
            f"{sample}: one seed can decide no margin, for it does not show how seeds differ ({of_these} points, were these "
            f"adapters all there is to know of).",
            f"{found}; over seeds there is none: **{in_words(one)}**.",
        ]
    parts.append(
        f"Of these adapters alone, as they are: {_words(alone.verdict, one.points)} "
        f"(equivalence: {p_text(alone.p)})."
    )
    if takes != NONE:
        by = ", by the same estimates" if seeds > 1 else ""
        parts.append(f"To decide about {one.points:g} would take {takes}{by}.")
    if paper is not None:
        parts.append(f"The paper's difference is {points(paper / 100)}.")
    return " ".join(parts)


def in_words(one: Judged) -> str:
    """The verdict over rows and seeds."""
    return _words(one.both.verdict, one.points)


def _words(verdict: Verdict, margin: float) -> str:
    if verdict.startswith("equivalent"):
        return verdict.replace("equivalent", f"equivalent within {margin:g}")
    return verdict


def it_would_take(one: Judged) -> str:
    """Rows or seeds for the margin to be decided; a dash where these decide it."""
    if one.is_decidable:
        return NONE
    count = len(one.difference.each)
    if count < 2:
        return "more seeds than one"
    ways = []
    if one.needed.seeds:
        ways.append(f"{one.needed.seeds} seeds")
    if one.needed.rows:
        ways.append(f"{_rounded(one.needed.rows)} test rows with {counted(count, 'seed')}")
    if one.needed.both:
        seeds, rows = one.needed.both
        ways.append(f"{seeds} seeds and {_rounded(rows)} test rows")
    return " or ".join(ways) if ways else "more than a thousand seeds"


def _rounded(number: int) -> str:
    """To two digits: an estimate from a few seeds is no better."""
    unit = 10 ** max(0, len(str(number)) - 2)
    return f"{math.ceil(number / unit) * unit:,}"


def decidable(one: Judged) -> str:
    """The smallest margin that rows and seeds can decide, in points."""
    found = one.both.decidable
    return f"{100 * found:.1f}" if math.isfinite(found) else NONE


def points(value: float) -> str:
    """A difference in points, with its sign."""
    return f"{100 * value:+.1f}".replace("-", "−")


def span(found: tuple[float, float]) -> str:
    """An interval in points."""
    low, high = found
    return NONE if math.isnan(low) else f"{points(low)} to {points(high)}"
