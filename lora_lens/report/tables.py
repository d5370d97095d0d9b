"""Tables as the page shows them: sortable, each with its LaTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from ..show.layout import Table, true_minus
from ..show.text import as_latex

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

    @cached_property
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
            filled.append(above[position] if blank and above else true_minus(cell))
        rows.append(filled)
    return PageTable(table.title, table.head, rows, as_latex([table]))
