"""A sheet of named columns: GLUE's TSV, where quotes are text, or CSV, where they enclose a cell."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ...errors import DataError
from .lines import numbered_lines

Row = tuple[int, list[str]]


class Sheet(NamedTuple):
    """A file's column names, and its rows, read as they are asked for.

    Attributes:
        path: The file.
        header: Its column names.
        rows: For each row the number of its first line, counted from 1, and its cells.
    """

    path: Path
    header: tuple[str, ...]
    rows: Iterator[Row]

    def positions(self, columns: Sequence[str]) -> list[int]:
        """Where the named columns are.

        Raises:
            DataError: A column is not there, or two have one name.
        """
        for column in columns:
            if column not in self.header:
                raise DataError(
                    f"{self.path} has no column {column!r}; it has: {', '.join(self.header)}"
                )
            if self.header.count(column) > 1:
                raise DataError(f"{self.path} has two columns {column!r}; rename one")
        return [self.header.index(column) for column in columns]

    def pick(self, row: int, cells: list[str], positions: Sequence[int]) -> list[str]:
        """The cells at `positions` of a row.

        Raises:
            DataError: The row has more or fewer cells than the header.
        """
        if len(cells) != len(self.header):
            raise DataError(
                f"{self.path}, row {row}: {len(cells)} cells, expected {len(self.header)}"
            )
        return [cells[position] for position in positions]


def open_sheet(path: Path, *, quoted: bool, header: tuple[str, ...] | None = None) -> Sheet:
    """The sheet in a file.

    Args:
        path: A UTF-8 file, with or without a byte order mark.
        quoted: CSV as RFC 4180 has it; otherwise cells are what lies between tabs.
        header: Column names, if the file has no header row.

    Raises:
        DataError: The file cannot be read, or is empty; the rows raise it as they are read.
    """
    lines = numbered_lines(path)
    rows = _csv_rows(path, lines) if quoted else _tsv_rows(lines)
    if header is None:
        _, names = next(rows, (0, None))
        if names is None:
            raise DataError(f"{path} is empty; expected a row of column names")
        header = tuple(names)
    return Sheet(path, header, rows)


def _tsv_rows(lines: Iterator[tuple[int, str]]) -> Iterator[Row]:
    for number, line in lines:
        yield number, line.split("\t")


def _csv_rows(path: Path, lines: Iterator[tuple[int, str]]) -> Iterator[Row]:
    # The line end is given back: within quotes it belongs to the cell.
    reader = csv.reader((line + "\n" for _, line in lines), strict=True)
    while True:
        first = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            said = str(error)
            if said.startswith("new-line character"):
                said, advice = r"a lone \r", r"save the file with \n line ends, or quote the cell"
            elif "limit" in said:
                advice = "write so long a text as .jsonl"
            else:
                advice = "double the quotes within a cell"
            raise DataError(f"{path}, row {first}: {said}; {advice}") from None
        if cells is None:
            return
        yield first, cells
