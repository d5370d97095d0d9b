"""Whether there is anything to learn, to choose a checkpoint by, and to test on."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from ...errors import DataError
from .metrics import METRICS
from .rows import Example, Splits
from .tasks import Task

_OF_ONE_VALUE = (METRICS["pearson"], METRICS["matthews"])  # which are 0 there, whatever is answered


class ZeroScoreWarning(UserWarning):
    """The rows to score have labels for which the metric is 0 whatever is answered."""


def check_varied(task: Task, splits: Splits) -> None:
    """Refuse rows to train on whose labels are all one value, and rows to choose by for which the metric is always 0.

    Raises:
        DataError: Names the value, and which rows they are.
    """
    for part, rows, refused in (
        ("training", splits.train, _only_label(splits.train) is not None),
        ("development", splits.development, _is_zero(task, splits.development)),
    ):
        if refused:
            raise DataError(
                f"{task.name}: all {len(rows)} {part} rows that are taken have the label {_name(task, rows)!r}, expected two "
                f"values or more; take more of them, or other rows"
            )


def warn_if_zero(task: Task, rows: Sequence[Example], part: str) -> None:
    """Say so where the metric is 0 on rows whatever is answered."""
    if _is_zero(task, rows):
        warnings.warn(
            f"all {len(rows)} {part} rows have the label {_name(task, rows)!r}: {task.metric.__name__} is 0 whatever is answered",
            ZeroScoreWarning,
            stacklevel=3,
        )


def _is_zero(task: Task, rows: Sequence[Example]) -> bool:
    only = _only_label(rows)
    # F1 is the last class's, and of two classes.
    lacks_last = task.metric is METRICS["f1"] and only != task.outputs - 1
    return only is not None and (task.metric in _OF_ONE_VALUE or lacks_last)


def _only_label(rows: Sequence[Example]) -> float | None:
    values = {row.label for row in rows}
    return values.pop() if len(values) == 1 else None


def _name(task: Task, rows: Sequence[Example]) -> str:
    label = rows[0].label
    return f"{label:g}" if task.labels is None else task.labels[int(label)]
