"""Means of φ against nulls, as a table: what a layer×layer grid and a series of layers share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..chance.significance import Significance
from .layout import (
    LABELS,
    NONE,
    Table,
    beside,
    number,
    p_value,
    signed,
)


def nulls_table(
    title: str, cells: str, of: Iterable[tuple[str, float, Mapping[str, Significance]]]
) -> Table:
    """A row a matrix and null, from each matrix's name, mean φ and tests; what the cells are heads their count."""
    rows = []
    for matrix, mean, tests in of:
        labels = [LABELS[matrix], number(mean)]
        for name, test in tests.items():
            rows.append([*labels, name, *tested(test)])
            labels = [""] * 2
    head = ["matrix", "mean φ", "null", "null mean", "z", "p", "excess", cells]
    return Table(title, head, rows)


def tested(test: Significance) -> list[str]:
    """Null mean, z, p, excess, and how many cells are above the null."""
    mean = test.of_mean
    found = f"{test.discoveries} of {test.tests}" if test.findable else NONE
    return [
        beside(mean.mean, mean.sd) if test.tests else NONE,
        signed(mean.z, 1 if abs(mean.z) < 100 else 0),
        p_value(mean.p),
        signed(mean.excess, 3),
        found,
    ]


def columns_legend(what: str) -> str:
    """What those columns mean, where the cells are `what`."""
    return (
        f"± sd of that mean; p: share of draws that reach φ; excess: (φ − null)/(1 − null); {what}: "
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
