"""Data sets of the hub, through datasets; only called where a user asked for the hub."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ...errors import DataError, MissingExtraError
from ...printable import first_line
from ...terminal.quiet import is_quiet


class HubRows(NamedTuple):
    """Some columns of one split.

    Attributes:
        source: What errors call it.
        class_names: The last column's, where the data set declares any.
        rows: Index, counted from 0 as datasets does, and values; classes by name, None if unlabelled.
        fingerprint: Identifies the split.
    """

    source: str
    class_names: tuple[str, ...] | None
    rows: Iterator[tuple[int, tuple[Any, ...]]]
    fingerprint: str


def load_hub(*arguments: str | None, advice: str, **options: str) -> Any:
    """What ``datasets.load_dataset`` gives.

    Raises:
        MissingExtraError: datasets is not installed.
        DataError: The data set cannot be had; the message gives the first reason and `advice`.
    """
    try:
        from datasets import disable_progress_bars, load_dataset
    except ImportError as error:
        raise MissingExtraError(
            f'data from the hub needs the extra: pip install "lora-lens[train]" ({error})'
        ) from error
    if is_quiet():
        disable_progress_bars()
    try:
        return load_dataset(*arguments, **options)
    except Exception as error:  # datasets raises many kinds; each ends the look-up alike
        raise DataError(
            f"{arguments[0]} cannot be had from the hub ({first_line(error)}); {advice}"
        ) from error


def hub_rows(part: Any, columns: Sequence[str], source: str) -> HubRows:
    """The named columns of a loaded split; the last one is the label.

    Raises:
        DataError: A column is not there.
    """
    for column in columns:
        if column not in part.column_names:
            raise DataError(
                f"{source} has no column {column!r}; it has: {', '.join(part.column_names)}"
            )
    declared = getattr(part.features[columns[-1]], "names", None)
    names = tuple(declared) if declared else None
    # Whole columns at once: row by row datasets takes half a minute for MNLI.
    values = part.select_columns(list(columns))[:]
    texts, labels = [values[column] for column in columns[:-1]], values[columns[-1]]
    if names is not None:
        labels = [_class_name(label, names) for label in labels]
    rows = enumerate(zip(*texts, labels, strict=True))
    return HubRows(source, names, rows, part._fingerprint)


def _class_name(label: int | None, names: Sequence[str]) -> str | None:
    # The hub writes -1 for a row without a label.
    return None if label is None or label < 0 else names[label]
