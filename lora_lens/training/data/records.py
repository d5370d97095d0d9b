"""Texts and label of each row of a file or of a hub data set, checked for missing values."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import DataError
from ...files.checksums import sha256
from ...files.hub_files import is_hub_id
from ...files.locate import user_path
from .hub import hub_rows, load_hub
from .json_lines import json_rows
from .sheet import open_sheet

_HUB = re.compile(r"(?P<id>[^:#]+)(:(?P<config>[^#]+))?#(?P<split>.+)")
SUFFIXES = (".csv", ".tsv", ".jsonl", ".json")


class HubSource(NamedTuple):
    """A split of a data set of the hub; `config` is None where none is named."""

    id: str
    config: str | None
    split: str


def on_hub(name: str) -> HubSource | None:
    """The data set of the hub that a source names; None of a file, whose ending tells it, and of what is neither.

    Example:
        >>> on_hub("some/rows:plain#test"), on_hub("rows#1.csv")
        (HubSource(id='some/rows', config='plain', split='test'), None)
    """
    found = _HUB.fullmatch(name)
    if found is None or Path(name).suffix.lower() in SUFFIXES or not is_hub_id(found["id"]):
        return None
    return HubSource(found["id"], found["config"], found["split"])


class Record(NamedTuple):
    """One row before its label is understood.

    Attributes:
        row: Line of a file, counted from 1, or index in a hub data set, counted from 0.
        first: The first text.
        second: The second, if the task has two.
        label: As it stands there; never None or NaN.
    """

    row: int
    first: str
    second: str | None
    label: Any


class Source(NamedTuple):
    """All rows of a file or a hub data set's split."""

    name: str
    records: list[Record]
    class_names: tuple[str, ...] | None
    checksum: str


def open_source(name: str, columns: Sequence[str]) -> Source:
    """The rows of a file, or of ``ID#split`` or ``ID:config#split`` on the hub.

    Args:
        name: A path with a known suffix, or a hub data set.
        columns: The columns of the texts, and last that of the label.

    Raises:
        DataError: It is neither, it cannot be read, or a row lacks a value; names the row.
    """
    path = user_path(name)
    hub = on_hub(name)
    class_names = None
    if path.suffix.lower() in SUFFIXES:
        rows = (json_rows if path.suffix.lower().startswith(".json") else _sheet_rows)(
            path, columns
        )
        records, checksum = _records(name, rows, columns), sha256(path)
    elif hub is not None:
        part = load_hub(
            hub.id, hub.config, split=hub.split,
            advice="expected ID#split or ID:config#split, or a file",
        )  # fmt: skip
        read = hub_rows(part, columns, name)
        class_names, checksum = read.class_names, read.fingerprint
        records = _records(name, read.rows, columns)
    else:
        raise DataError(
            f"{name} is no data file ({', '.join(SUFFIXES)}) "
            "and no hub data set (ID#split or ID:config#split)"
        )
    if not records:
        raise DataError(f"{name} holds no rows")
    return Source(name, records, class_names, checksum)


_Rows = Iterator[tuple[int, Sequence[Any]]]


def _sheet_rows(path: Path, columns: Sequence[str]) -> _Rows:
    sheet = open_sheet(path, quoted=path.suffix.lower() == ".csv")
    positions = sheet.positions(columns)
    for row, cells in sheet.rows:
        # An empty cell is how both formats write a missing value.
        yield row, [cell or None for cell in sheet.pick(row, cells, positions)]


def _records(source: str, rows: _Rows, columns: Sequence[str]) -> list[Record]:
    records = []
    for row, values in rows:
        where = f"{source}, row {row}"
        for column, value in zip(columns, values, strict=True):
            if value is None or (isinstance(value, float) and math.isnan(value)):
                raise DataError(f"{where}: {column!r} is empty")
        *texts, label = values
        for column, text in zip(columns, texts, strict=False):
            if not isinstance(text, str):
                raise DataError(f"{where}: {column!r} is {text!r}, expected text")
            if not _is_unicode(text):
                raise DataError(
                    f"{where}: {column!r} has half a surrogate pair; no tokenizer takes it"
                )
        records.append(Record(row, texts[0], texts[1] if len(texts) > 1 else None, label))
    return records


def _is_unicode(text: str) -> bool:
    r"""Whether there is no lone surrogate in it, which JSON can write as ``\ud83d``."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
