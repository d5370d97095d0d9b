"""JSON lines: one object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ...errors import DataError
from .lines import numbered_lines


def json_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, list[Any]]]:
    """Number of each line, and the values of the named columns in its object.

    Raises:
        DataError: A line is no JSON object, or has no such column; names the line.
    """
    for row, line in numbered_lines(path):
        where = f"{path}, row {row}"
        try:
            found = json.loads(line, object_pairs_hook=partial(_unique, where))
        except (ValueError, RecursionError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"{where}: expected one JSON object a line ({error})") from None
        if not isinstance(found, dict):
            raise DataError(f"{where}: expected one JSON object a line, not {type(found).__name__}")
        for column in columns:
            if column not in found:
                raise DataError(f"{where} has no {column!r}; it has: {', '.join(found)}")
        yield row, [found[column] for column in columns]


def _unique(where: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise DataError(f"{where}: a name occurs twice in one object")
    return found
