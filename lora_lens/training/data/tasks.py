"""What a task is, and GLUE's nine with what the paper set and found on each (RoBERTa-base)."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import DataError
from .metrics import (
    Metric,
    accuracy,
    matthews,
    pearson,
)

HUB_ID = "nyu-mll/glue"
# Whose numbers the paper has, in the order in which a task has them.
PAPER_METHODS = ("lora", "condlora")


@dataclass(frozen=True)
class Task:
    """One task. Pairs of numbers are the paper's, of `PAPER_METHODS`.

    Attributes:
        name: As typed on the command line, and in ``nyu-mll/glue``.
        text: Columns of the sentences, one or two.
        label: Column of the label.
        labels: Class names in index order; None for a regression.
        metric: Larger is better.
        learning_rates: Found by the paper's search; None where it did not run the task.
        paper_scores: Table 2, in percent; None where it did not run the task.
        epochs: The paper's, at most.
    """

    name: str
    text: tuple[str, ...]
    label: str
    labels: tuple[str, ...] | None
    metric: Metric
    learning_rates: tuple[float, float] | None = None
    paper_scores: tuple[float, float] | None = None
    epochs: int = 100

    @property
    def outputs(self) -> int:
        """How many a model's head has: one a class, or one of a regression."""
        return len(self.labels) if self.labels else 1

    @property
    def pairs(self) -> bool:
        """Whether a row has two texts."""
        return len(self.text) == 2


@dataclass(frozen=True, kw_only=True)
class GlueTask(Task):
    """One of GLUE's tasks: `text`, `label` and `labels` are as in its own TSV files.

    Attributes:
        folder: The folder of GLUE's distribution, which is how the task is written.
        header: Column names of a file that has no header row.
        test_files: The development sets, which together are the paper's test set.
        hub_text: `text` in ``nyu-mll/glue``, where it differs.
        hub_labels: `labels` in ``nyu-mll/glue``, where they differ, in the same order.
        broken_rows: Whether GLUE's own files have rows that a line end broke in two.
    """

    folder: str
    header: tuple[str, ...] | None = None
    test_files: tuple[str, ...] = ("dev",)
    hub_text: tuple[str, ...] | None = None
    hub_labels: tuple[str, ...] | None = None
    broken_rows: bool = False

    @property
    def hub_tests(self) -> tuple[str, ...]:
        """`test_files` in ``nyu-mll/glue``."""
        return tuple(part.replace("dev", "validation") for part in self.test_files)


_BINARY = ("0", "1")
_ENTAILMENT = ("entailment", "not_entailment")
_PAIR = ("sentence1", "sentence2")
# In the order of the paper's Table 2.
TASKS: dict[str, GlueTask] = {
    task.name: task
    for task in (
        GlueTask(
            "mnli", _PAIR, "gold_label", ("entailment", "neutral", "contradiction"), accuracy,
            (7.58e-4, 1.06e-4), (86.6, 86.5), 50, folder="MNLI", hub_text=("premise", "hypothesis"),
            test_files=("dev_matched", "dev_mismatched"),
        ),
        GlueTask(
            "sst2", ("sentence",), "label", _BINARY, accuracy, (2.53e-4, 4.14e-4), (93.7, 93.8),
            folder="SST-2", hub_labels=("negative", "positive"),
        ),
        GlueTask(
            "mrpc", ("#1 String", "#2 String"), "Quality", _BINARY, accuracy, (8.37e-5, 1.91e-4),
            (86.2, 86.6), folder="MRPC", hub_text=_PAIR, hub_labels=("not_equivalent", "equivalent"),
        ),
        GlueTask(
            "cola", ("sentence",), "label", _BINARY, matthews, (4.86e-4, 6.03e-4), (61.2, 61.1),
            folder="CoLA", header=("source", "label", "mark", "sentence"),
            hub_labels=("unacceptable", "acceptable"),
        ),
        GlueTask(
            "qnli", ("question", "sentence"), "label", _ENTAILMENT, accuracy, (1.16e-4, 2.92e-4),
            (92.0, 91.8), folder="QNLI",
        ),
        GlueTask(
            "qqp", ("question1", "question2"), "is_duplicate", _BINARY, accuracy,
            (2.00e-4, 2.43e-4), (90.5, 90.1), 50, folder="QQP",
            hub_labels=("not_duplicate", "duplicate"), broken_rows=True,
        ),
        GlueTask(
            "rte", _PAIR, "label", _ENTAILMENT, accuracy, (7.71e-5, 1.62e-4), (74.3, 74.2),
            folder="RTE",
        ),
        GlueTask(
            "stsb", _PAIR, "score", None, pearson, (1.61e-3, 1.65e-4), (89.3, 90.3), folder="STS-B",
        ),
        GlueTask(
            "wnli", _PAIR, "label", _BINARY, accuracy, folder="WNLI",
            hub_labels=("not_entailment", "entailment"),
        ),
    )
}  # fmt: skip


def paper_learning_rate(task: str, method: str) -> float:
    """The learning rate that the paper's search found for a task and method.

    Raises:
        DataError: The paper did not run that task, or that method.
    """
    found = TASKS[task].learning_rates if task in TASKS else None
    if found is None:
        raise DataError(f"the paper has no learning rate for task {task!r}; pass one with --lr")
    if method not in PAPER_METHODS:
        raise DataError(f"the paper has no learning rate of {method}; pass one with --lr")
    return found[PAPER_METHODS.index(method)]
