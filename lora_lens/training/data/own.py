"""Other data than GLUE: text classification or regression from CSV, TSV, JSON lines or the hub."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ...errors import DataError
from .metrics import METRICS, Metric
from .records import Record, Source, open_source
from .rows import (
    Example,
    Splits,
    class_index,
    finite_score,
    hold_out,
)
from .tasks import Task

_INTEGER = re.compile(r"-?\d+")
_NUMBER = re.compile(r"\s*-?\d+(\.\d*)?([eE][-+]?\d+)?\s*")


@dataclass(frozen=True)
class OwnData:
    """Where the rows of a task lie, and what they mean.

    Each source is a path of a .csv (quoted as RFC 4180 has it), .tsv (quotes are text, as in GLUE),
    .jsonl or .json (one object a line) file in UTF-8, or a data set of the hub, written ``ID#split``
    or ``ID:config#split``.

    An empty cell of a CSV or TSV file, null and NaN, also as the text of a class, are missing values, and an error. Classes are
    the distinct labels of `train` in alphabetical order, in that of their numbers if all are
    integers, or in the hub's own order where the data set declares class names. F1 is the last one's.

    Attributes:
        train: Rows to train on.
        test: Rows for the final score.
        text: One or two columns of text.
        label: Column of the label.
        development: Rows to choose the checkpoint by; None holds out 10 % of `train` as the paper does.
        metric: None is accuracy, or pearson for a regression.
        regression: Whether labels are scores, not classes.
    """

    train: str
    test: str
    text: tuple[str, ...]
    label: str
    development: str | None = None
    metric: Literal["accuracy", "f1", "matthews", "pearson"] | None = None
    regression: bool = False


def load_own(name: str, own: OwnData) -> tuple[Task, Splits]:
    """The task that the data make, and their rows.

    Raises:
        DataError: The columns, the metric, a file or a row do not fit; names the file and the row.
    """
    _check_columns(own)
    metric = _metric(own)
    opened = {
        source: open_source(source, (*own.text, own.label))
        for source in (own.train, own.development, own.test)
        if source is not None
    }
    labels = None if own.regression else _labels(opened[own.train])
    if metric is METRICS["f1"] and labels and len(labels) != 2:
        raise DataError(f"f1 is for two classes; {own.train} has {len(labels)}: try accuracy")
    train, test = (_examples(opened[source], labels) for source in (own.train, own.test))
    if own.development is not None:
        splits = (train, _examples(opened[own.development], labels))
    else:
        splits = hold_out(train, own.train, "pass --development")
    checksums = {source.name: source.checksum for source in opened.values()}
    return Task(name, own.text, own.label, labels, metric), Splits(*splits, test, checksums)


def _check_columns(own: OwnData) -> None:
    if len(own.text) not in {1, 2}:
        raise DataError(f"--text names {len(own.text)} columns, expected one or two")
    columns = (*own.text, own.label)
    if len(set(columns)) < len(columns):
        raise DataError(f"--text and --label name one column twice: {', '.join(columns)}")


def _metric(own: OwnData) -> Metric:
    fitting = ("pearson",) if own.regression else ("accuracy", "f1", "matthews")
    chosen = own.metric or fitting[0]
    if chosen not in fitting:
        kind = "a regression" if own.regression else "a classification"
        raise DataError(f"--metric {chosen} is not for {kind}; there are: {', '.join(fitting)}")
    return METRICS[chosen]


def _labels(source: Source) -> tuple[str, ...]:
    found = source.class_names or {_class_name(record, source) for record in source.records}
    if len(found) < 2:
        only = ", ".join(found)
        raise DataError(f"{source.name}: every label is {only!r}, expected two classes or more")
    if source.class_names is not None:
        return source.class_names
    _check_names(found, source)
    if all(_INTEGER.fullmatch(label) for label in found):
        return tuple(sorted(found, key=int))
    return tuple(sorted(found))


def _check_names(found: Iterable[str], source: Source) -> None:
    """Refuse scores that are taken for classes, and classes that only spaces or a number's spelling tell apart."""
    names = sorted(found)
    numbers = all(map(_NUMBER.fullmatch, names))
    if numbers:
        score = next((name for name in names if not float(name).is_integer()), None)
        if score is not None:
            raise DataError(
                f"{source.name}: labels are numbers, and {score} is no integer; for scores pass --regression, for classes give them names that are no numbers"
            )
    stripped: dict[str, str] = {}
    for name in names:
        if (other := stripped.setdefault(name.strip(), name)) != name:
            raise DataError(
                f"{source.name}: the labels {other!r} and {name!r} differ by spaces alone"
            )
    spelt: dict[float, str] = {}
    for name in names if numbers else ():
        # As float64 two long integers may be one.
        number = int(name) if _INTEGER.fullmatch(name) else float(name)
        if (other := spelt.setdefault(number, name)) != name:
            raise DataError(
                f"{source.name}: the labels {other!r} and {name!r} are one number; spell it one way, or give classes names that are no numbers"
            )


def _examples(source: Source, labels: Sequence[str] | None) -> list[Example]:
    examples = []
    for record in source.records:
        where = f"{source.name}, row {record.row}"
        value = (
            finite_score(record.label, where)
            if labels is None
            else class_index(_class_name(record, source), labels, where)
        )
        examples.append(Example(record.first, record.second, value))
    return examples


def _class_name(record: Record, source: Source) -> str:
    """The label as text, so that 1 in a JSON file and 1 in a CSV file are one class."""
    label = record.label
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    if isinstance(label, str):
        if label.strip().lower() == "nan" and source.class_names is None:
            raise DataError(
                f"{source.name}, row {record.row}: the label is {label!r}, as data frames write a missing value; "
                f"leave the row out, or call the class by another name"
            )
        return label
    if isinstance(label, int):
        return str(label).lower() if isinstance(label, bool) else str(label)
    raise DataError(
        f"{source.name}, row {record.row}: the label is {label!r}, "
        "expected text or an integer; for scores pass --regression"
    )
