"""Tables as the page shows them: sortable, each with its LaTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..questions.comparison.result import ComparisonResult
from ..questions.similarity.result import LayerGrid
from ..show.layout import (
    LABELS,
    Table,
    number,
    signed,
)
from ..show.text import as_latex

MOST_PAIRS = 30
_NUMBER = re.compile(r"[-+−]?[\d.]|[–∞]$")


@dataclass(frozen=True)
class PageTable:
    """A table of the page.

    Attributes:
        title, head: Of the table.
        rows: Every row stands for itself, so that any order of them can be read.
        latex: The table for ``booktabs``.
    """

    WIDE: ClassVar[int] = 16  # columns from which a table does not fit on paper

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    latex: str

    @property
    def wide(self) -> bool:
        """Whether it has more columns than paper is wide."""
        return len(self.head) > self.WIDE

    @property
    def prose(self) -> list[bool]:
        """Which columns are words, to be aligned on the left."""
        return [
            not all(_NUMBER.match(row[column]) for row in self.rows)
            for column in range(len(self.head))
        ]


def page_table(table: Table) -> PageTable:
    """Labels that a table leaves out below each other are repeated; LaTeX keeps them out."""
    rows: list[list[str]] = []
    for row in table.rows:
        above = rows[-1] if rows else []
        blank = True  # only the leading cells are labels
        filled = []
        for position, cell in enumerate(row):
            blank = blank and cell == ""
            filled.append(above[position] if blank and above else cell)
        rows.append(filled)
    return PageTable(table.title, table.head, rows, as_latex([table]))


def without_first_column(table: Table) -> Table:
    """The table where its first column is said by the heading above it."""
    return table._replace(head=table.head[1:], rows=[row[1:] for row in table.rows])


def series_table(result: ComparisonResult) -> Table:
    """φ between two adapters, a row a layer, with each one's p: as long as there are layers, never wide."""
    labels = {matrix: f"{LABELS[matrix]} ({one.side})" for matrix, one in result.items()}
    head = ["layer", *(head for label in labels.values() for head in (label, "p", "p (BH)"))]
    tests = {matrix: one.significance for matrix, one in result.items()}
    rows = [
        [
            str(layer),
            *(
                cell
                for matrix, one in result.items()
                for cell in (
                    number(one.values[k]),
                    number(tests[matrix].p[k]),
                    number(tests[matrix].p_bh[k]),
                )
            ),
        ]
        for k, layer in enumerate(result.layers)
    ]
    return Table("φ between the two adapters by layer, against unrelated subspaces", head, rows)


def pairs_table(grid: LayerGrid, null: str) -> Table:
    """The pairs of layers with the highest φ, each against one null with its corrections."""
    test, layers = grid.significance[null], grid.layers
    mean, sd = grid.baselines[null].grid(len(layers)), grid.baselines[null].sd_grid(len(layers))
    both = grid.i != grid.j  # then φ(l, m) and φ(m, l) are two numbers
    pairs = [
        (x, y)
        for x in range(len(layers))
        for y in range(len(layers))
        if (x != y if both else x < y)
    ]
    highest = sorted(pairs, key=lambda pair: -grid.values[pair])[:MOST_PAIRS]
    rows = [
        [
            str(layers[x]), str(layers[y]), number(grid.values[x, y]),
            f"{number(mean[x, y])} ± {number(sd[x, y])}", signed(test.z[x, y], 1),
            signed(test.excess[x, y], 3), number(test.p[x, y]), number(test.p_bh[x, y]),
            number(test.p_max[x, y]),
        ]
        for x, y in highest
    ]  # fmt: skip
    of = f"{len(highest)} highest of {len(pairs)}" if len(pairs) > len(highest) else f"{len(pairs)}"
    return Table(
        f"{LABELS[grid.matrix]}: {of} pairs of layers against the {null} null",
        ["layer", "other", "φ", "null", "z", "excess", "p", "p (BH)", "p (max)"],
        rows,
    )
