"""Whether there is anything to learn, and anything to choose a checkpoint by."""

from __future__ import annotations

from ...errors import DataError
from .metrics import METRICS
from .rows import Splits
from .tasks import Task

_OF_ONE_VALUE = (METRICS["pearson"], METRICS["matthews"])  # which are 0 there, whatever is answered


def check_varied(task: Task, splits: Splits) -> None:
    """Refuse rows to train on whose labels are all one value, and such rows to choose by where the metric takes two.

    Raises:
        DataError: Names the value, and which rows they are.
    """
    asked = [("training", splits.train)]
    if task.metric in _OF_ONE_VALUE:
        asked.append(("development", splits.development))
    for part, rows in asked:
        values = {row.label for row in rows}
        if len(values) == 1:
            [only] = values
            name = f"{only:g}" if task.labels is None else task.labels[int(only)]
            raise DataError(
                f"{task.name}: all {len(rows)} {part} rows that are taken have the label {name!r}, expected two values or more; "
                f"take more of them, or other rows"
            )
