"""Rows to train and score on: GLUE's nine tasks, or any other text classification or regression.

Nothing here reaches the network but where the hub is asked for: GLUE without a folder, or a source
written ``ID#split``.
"""

from ...errors import DataError
from ...files.locate import user_path
from .glue import load_task
from .majority import majority_score
from .metrics import mean_loss
from .own import OwnData, load_own
from .rows import Example, Splits, set_aside
from .tasks import (
    TASKS,
    GlueTask,
    Task,
    paper_learning_rate,
)

__all__ = [
    "TASKS",
    "Example",
    "GlueTask",
    "OwnData",
    "Splits",
    "Task",
    "majority_score",
    "mean_loss",
    "open_data",
    "paper_learning_rate",
    "set_aside",
]


def open_data(task: str, data: str | None, own: OwnData | None) -> tuple[Task, Splits]:
    """A task and its rows, split.

    Args:
        task: A GLUE task's name; with `own`, any other name.
        data: Folder of GLUE's own TSV files; None for ``nyu-mll/glue`` on the hub.
        own: Other data than GLUE.

    Raises:
        DataError: The task is unknown, a file is missing, or a row does not fit; names the row.
    """
    if own is None:
        splits = load_task(task, None if data is None else user_path(data))
        return TASKS[task], splits
    if data is not None:
        raise DataError(
            f"--data {data} is for GLUE; leave it out where --train and --test are given"
        )
    if task in TASKS:
        raise DataError(f"task {task!r} is GLUE's; give your own data another name")
    return load_own(task, own)
