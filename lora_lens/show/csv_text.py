"""Everything that is written as CSV: strangers' words in one line of what is seen, and none that a spreadsheet would compute."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..printable import one_line_of

if TYPE_CHECKING:
    from pandas import DataFrame

_FORMULAE = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
)  # what a cell of a spreadsheet begins with that is computed


def in_csv(text: str) -> str:
    r"""A word or a name as a cell; one that a spreadsheet would compute stands behind an apostrophe.

    Example:
        >>> in_csv("=1+1"), in_csv("q_proj"), in_csv("a\r\nb")
        ("'=1+1", 'q_proj', 'a b')
    """
    text = one_line_of(text)
    return f"'{text}" if text.startswith(_FORMULAE) else text


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    r"""Tidy CSV: one observation a row; empty where a number is not finite; of no rows nothing, for they name the columns.

    Example:
        >>> as_csv([{"layer": 0, "z": float("nan"), "name": "@x"}])
        "layer,z,name\n0,,'@x\n"
    """
    if not rows:
        return ""
    finite = [
        {name: "" if _is_hole(value) else value for name, value in row.items()} for row in rows
    ]
    return table_csv(list(rows[0]), finite)


def table_csv(heads: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    r"""CSV of rows that need not have every column, whose numbers are written as they are.

    Example:
        >>> table_csv(["trial", "lr"], [{"trial": 0}, {"trial": 1, "lr": float("inf")}])
        'trial,lr\n0,\n1,inf\n'
    """
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fieldnames=[*heads], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return stream.getvalue()


def frame_csv(frame: DataFrame) -> str:
    """CSV of a DataFrame without its index: of millions of rows, of which Python's would not fit where the arrays do."""
    for name, kind in frame.dtypes.items():
        if kind.kind not in "biufcmM":
            here = frame[name].unique()
            other = {word: cell for word in here if (cell := _cell(word)) is not word}
            if other:
                frame = frame.assign(**{str(name): [other.get(word, word) for word in frame[name]]})
    return frame.to_csv(index=False, lineterminator="\n")


def write_arrow_csv(table: Any, path: Path) -> None:
    """Write a pyarrow table, its words in quotes and its numbers as they are.

    Args:
        table: Its words may be in dictionaries.
        path: Of the file.
    """
    import pyarrow as pa
    import pyarrow.csv

    columns = [
        _guarded(column) if pa.types.is_dictionary(column.type) or _is_text(column.type) else column
        for column in table.columns
    ]
    pyarrow.csv.write_csv(
        pa.table(columns, names=table.column_names),
        path,
        pyarrow.csv.WriteOptions(quoting_style="needed"),
    )


def _cell(value: Any) -> Any:
    return in_csv(value) if isinstance(value, str) else value


def _is_hole(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _guarded(column: Any) -> Any:
    """A column of words, each of which is looked at once."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not _is_text(column.type):
        return column
    here = column.unique()
    cells = pa.array([_cell(word) for word in here.to_pylist()], column.type)
    return column if cells.equals(here) else cells.take(pc.index_in(column, here))
