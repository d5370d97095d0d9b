"""GLUE's tasks: their files, columns, labels and metrics, and the paper's split."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, MissingExtraError

SPLIT_SEED = (
    1  # the released code's; which rows are development rows never varies with the run's seed
)
DEVELOPMENT_SHARE = 0.1


class Example(NamedTuple):
    """One row: a sentence, perhaps a second one, and a label (a class index or a score)."""

    first: str
    second: str | None
    label: int | float


class Splits(NamedTuple):
    """The paper's split: 90 % and 10 % of GLUE's train, and GLUE's development set as the test."""

    train: list[Example]
    development: list[Example]
    test: list[Example]
    checksums: dict[str, str]


def accuracy(predicted: NDArray[np.float64], labels: NDArray[np.float64]) -> float:
    """Share of rows whose highest-scoring class is the label."""
    return float((predicted.argmax(-1) == labels).mean())


def matthews(predicted: NDArray[np.float64], labels: NDArray[np.float64]) -> float:
    """Matthews correlation of a binary task: Pearson's r of the two 0/1 vectors; 0 if either is constant."""
    return _correlation(predicted.argmax(-1).astype(np.float64), labels)


def pearson(predicted: NDArray[np.float64], labels: NDArray[np.float64]) -> float:
    """Pearson's r of predicted and true scores; 0 if either is constant."""
    return _correlation(predicted[:, 0].astype(np.float64), labels)


def _correlation(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])


@dataclass(frozen=True)
class Task:
    """One GLUE task, as its own TSV files lay it out.

    Attributes:
        name: As typed on the command line and in ``nyu-mll/glue``.
        folder: The folder of GLUE's distribution.
        text: Columns of the sentences (names, or positions in a file without a header).
        label: Column of the label.
        labels: Class names in index order; None for a regression.
        metric: The paper's, larger is better.
        learning_rates: The paper's, found on RoBERTa-base: (LoRA, CondLoRA).
    """

    name: str
    folder: str
    text: tuple[str, ...]
    label: str
    labels: tuple[str, ...] | None
    metric: Callable[[NDArray[np.float64], NDArray[np.float64]], float]
    learning_rates: tuple[float, float]
    header: tuple[str, ...] | None = None
    hub_text: tuple[str, ...] | None = None


_BINARY = ("0", "1")
_ENTAILMENT = ("entailment", "not_entailment")
_PAIR = ("sentence1", "sentence2")
TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task("sst2", "SST-2", ("sentence",), "label", _BINARY, accuracy, (2.53e-4, 4.14e-4)),
        Task(
            "mrpc", "MRPC", ("#1 String", "#2 String"), "Quality", _BINARY, accuracy,
            (8.37e-5, 1.91e-4), hub_text=_PAIR,
        ),
        Task(
            "cola", "CoLA", ("sentence",), "label", _BINARY, matthews, (4.86e-4, 6.03e-4),
            header=("source", "label", "mark", "sentence"),
        ),
        Task("rte", "RTE", _PAIR, "label", _ENTAILMENT, accuracy, (7.71e-5, 1.62e-4)),
        Task("stsb", "STS-B", _PAIR, "score", None, pearson, (1.61e-3, 1.65e-4)),
        Task("qnli", "QNLI", ("question", "sentence"), "label", _ENTAILMENT, accuracy, (1.16e-4, 2.92e-4)),
    )
}  # fmt: skip


def load_task(name: str, data: Path | None) -> Splits:
    """A task's rows in the paper's split, from a local GLUE folder or from ``nyu-mll/glue``.

    Raises:
        DataError: The task is unknown, a file is missing, or a row does not fit; names the row.
    """
    if name not in TASKS:
        raise DataError(f"no task {name!r}; there are: {', '.join(TASKS)}")
    task = TASKS[name]
    if data is None:
        train, test, checksums = _from_hub(task)
    else:
        folder = data / task.folder
        train, test = (_read_tsv(task, folder / f"{part}.tsv") for part in ("train", "dev"))
        checksums = {f"{part}.tsv": _sha256(folder / f"{part}.tsv") for part in ("train", "dev")}
    random.Random(SPLIT_SEED).shuffle(train)
    held_out = round(len(train) * DEVELOPMENT_SHARE)
    return Splits(train[held_out:], train[:held_out], test, checksums)


def majority_score(task: Task, splits: Splits) -> float:
    """The metric, on the test rows, of always answering the commonest training label (or mean)."""
    train = np.array([example.label for example in splits.train])
    labels = np.array([example.label for example in splits.test], dtype=np.float64)
    if task.labels is None:
        return task.metric(np.full((len(labels), 1), train.mean()), labels)
    votes = np.bincount(train.astype(int), minlength=len(task.labels)).astype(np.float64)
    return task.metric(np.tile(votes, (len(labels), 1)), labels)


def _read_tsv(task: Task, path: Path) -> list[Example]:
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error}); expected GLUE's {task.folder}") from None
    lines = [line.removesuffix("\r") for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    header = task.header or tuple(lines.pop(0).split("\t") if lines else ())
    missing = [column for column in (*task.text, task.label) if column not in header]
    if missing:
        raise DataError(f"{path} has no column {missing[0]!r}; it has: {', '.join(header)}")
    if not lines:
        raise DataError(f"{path} holds no rows")
    columns = [header.index(column) for column in (*task.text, task.label)]
    first_row = 1 if task.header else 2
    return [
        _example(task, line.split("\t"), columns, len(header), f"{path}, row {row}")
        for row, line in enumerate(lines, first_row)
    ]


def _example(
    task: Task, cells: Sequence[str], columns: Sequence[int], width: int, where: str
) -> Example:
    if len(cells) != width:
        raise DataError(f"{where}: {len(cells)} cells, expected {width}")
    *text, label = (cells[column] for column in columns)
    return Example(text[0], text[1] if len(text) > 1 else None, _label(task, label, where))


def _label(task: Task, text: str, where: str) -> int | float:
    if task.labels is None:
        try:
            return float(text)
        except ValueError:
            raise DataError(f"{where}: the score is {text!r}, expected a number") from None
    if text not in task.labels:
        raise DataError(f"{where}: the label is {text!r}, expected one of {', '.join(task.labels)}")
    return task.labels.index(text)


def _from_hub(task: Task) -> tuple[list[Example], list[Example], dict[str, str]]:
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise MissingExtraError(
            'GLUE from the hub needs the extra: pip install "lora-lens[train]"'
        ) from error
    try:
        loaded = load_dataset("nyu-mll/glue", task.name)
    except Exception as error:  # datasets raises many kinds; each ends the look-up alike
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(
            f"nyu-mll/glue cannot be had from the hub ({reason}); pass --data with a GLUE folder"
        ) from error
    parts = [
        [
            Example(
                row[(task.hub_text or task.text)[0]],
                row[(task.hub_text or task.text)[1]] if len(task.text) > 1 else None,
                row["label"],
            )
            for row in loaded[part]
        ]
        for part in ("train", "validation")
    ]
    return parts[0], parts[1], {part: loaded[part]._fingerprint for part in ("train", "validation")}


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
