"""A joined table on its way to its files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from ..labelled import Array
from ..show.csv_text import write_arrow_csv
from .freed import give_back
from .table import REPEATED, parquet

_MOST_CSV = 200_000  # rows of a table that is written as CSV too


class TableFile:
    """``NAME.parquet`` of tables of one schema, and ``NAME.csv`` where that is no burden; none of no rows.

    Attributes:
        files: Names of the files, when it is closed.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.files: tuple[str, ...] = ()
        self._folder, self._name = folder, name
        self._writer: Any = None
        self._rows = 0

    def add(self, part: Any) -> None:
        """Some rows, or None."""
        if part is None or not len(part):
            return
        if self._writer is None:
            self._writer = parquet().ParquetWriter(
                self._folder / f"{self._name}.parquet",
                part.schema,
                use_dictionary=_repeated(part.schema),
            )
        self._writer.write_table(part)
        self._rows += len(part)

    def __enter__(self) -> TableFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._writer is None:
            return
        self._writer.close()
        if kind is not None:
            return
        self.files = (f"{self._name}.parquet",)
        if self._rows <= _MOST_CSV:
            self.files += (self._as_csv(),)
        give_back()

    def _as_csv(self) -> str:
        whole = parquet().read_table(self._folder / f"{self._name}.parquet")
        write_arrow_csv(whole, self._folder / f"{self._name}.csv")
        return f"{self._name}.csv"


def with_holes(numbers: Array) -> Any:
    """A column of numbers, empty where one is not finite.

    Example:
        >>> with_holes(np.array([1.0, np.nan])).to_pylist()
        [1.0, None]
    """
    import pyarrow as pa

    holes = ~np.isfinite(numbers)
    return pa.array(numbers, mask=holes if holes.any() else None)


def to_read(files: Sequence[str], name: str) -> str | None:
    """The file of a table that people open: CSV where that is written, else Parquet; None where there is neither.

    Example:
        >>> to_read(["far.parquet", "far.csv", "all.parquet"], "far"), to_read(["all.parquet"], "all")
        ('far.csv', 'all.parquet')
    """
    both = (f"{name}.csv", f"{name}.parquet")
    return next((file for file in both if file in files), None)


def _repeated(schema: Any) -> list[str]:
    """Columns that have few values; a dictionary of measured numbers takes longer than they do, and more room."""
    import pyarrow as pa

    return [
        field.name
        for field in schema
        if field.name in REPEATED or not pa.types.is_floating(field.type)
    ]
