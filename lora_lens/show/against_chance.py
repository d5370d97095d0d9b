"""Means of φ against nulls, as a table: what a layer×layer grid and a series of layers share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..chance.p_values import fewest_discoveries, fewest_draws
from ..chance.significance import LEVEL, Significance
from .layout import (
    LABELS,
    NONE,
    Table,
    beside,
    number,
    p_value,
    signed,
)

_MOST_AT_ONCE = 0.5  # of the cells that a count may need; of one that needs more, 0 says nothing


def nulls_table(
    title: str,
    cells: str,
    of: Iterable[tuple[str, float, Mapping[str, Significance]]],
    draws: int | None,
    *,
    two_sided: bool = False,
) -> Table:
    """A row a matrix and null.

    Args:
        title: Of the table.
        cells: What is counted, for the head.
        of: Each matrix's name, mean φ and tests.
        draws: Of each null.
        two_sided: Whether p is, as it is where a verdict is made of it; else of the upper tail.
    """
    rows = []
    for matrix, mean, tests in of:
        labels = [LABELS[matrix], number(mean)]
        for name, test in tests.items():
            rows.append([*labels, name, *tested(test, draws, two_sided=two_sided)])
            labels = [""] * 2
    head = ["matrix", "mean φ", "null", "null mean", "z", "p", "excess", cells]
    return Table(title, head, rows)


def tested(test: Significance, draws: int | None, *, two_sided: bool) -> list[str]:
    """Null mean, z, p, excess, and how many cells are above the null, where so many draws can count them."""
    mean = test.of_mean
    counts = test.findable and not _uncounted(test, draws)
    return [
        beside(mean.mean, mean.sd) if test.tests else NONE,
        signed(mean.z, 1 if abs(mean.z) < 100 else 0),
        p_value(mean.p_two_sided if two_sided else mean.p),
        signed(mean.excess, 3),
        f"{test.discoveries} of {test.tests}" if counts else NONE,
    ]


def _uncounted(test: Significance, draws: int | None) -> bool:
    """Whether no cell is found, for with so few draws more than half of them would have to be at once."""
    return (
        bool(draws and test.tests)
        and not test.discoveries
        and fewest_discoveries(test.tests, draws or 0, LEVEL) > _MOST_AT_ONCE * test.tests
    )


def few_draws(draws: int | None, tests: Iterable[Significance], what: str) -> list[str]:
    """That no cells are counted, for there are too few draws; a line or none.

    Args:
        draws: Of each null; None or 0 where there are none, and so no p that could be too large.
        tests: Of every matrix against every null.
        what: What the cells are.
    """
    count = max((test.tests for test in tests if _uncounted(test, draws)), default=0)
    if not draws or not count:
        return []
    fewest = fewest_discoveries(count, draws, LEVEL)
    at_once = (
        f"unless {fewest} of {count} have it at once"
        if fewest <= count
        else f"even where all {count} have it at once"
    )
    return [
        f"{draws} draws are too few to count {what} above chance: p is at least 1/{draws + 1}, too much for a "
        f"false discovery rate of {LEVEL} {at_once} (for one alone {fewest_draws(LEVEL, tests=count)} are needed)"
    ]


def columns_legend(what: str, *, two_sided: bool = False) -> str:
    """What those columns mean, where the cells are `what`."""
    share = "are as far from their middle as φ, on either side" if two_sided else "reach φ"
    return (
        f"± sd of that mean; p: share of draws that {share}; excess: (φ − null)/(1 − null); {what}: "
        "those above the null at a false discovery rate of 0.05 (Benjamini-Hochberg)."
    )


def resolution(tests: Mapping[str, Significance], what: str) -> list[str]:
    """Which counts of cells cannot be found with the null values there are, where any cannot; a line or none."""
    names: dict[str, list[str]] = {}
    for name, test in tests.items():
        if test.fewest is not None and test.fewest > 1:
            count = f"{test.fewest}" if test.findable else "more than there are"
            names.setdefault(count, []).append(name)
    if not names:
        return []
    counts = ", ".join(f"{count} ({', '.join(some)})" for count, some in names.items())
    return [
        f"p is at least 1/(null values + 1), so {what} are found only if so many are high at once: {counts}; "
        f"with more draws fewer suffice."
    ]
