"""The score of a constant answer, which any trained model ought to exceed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .rows import Example
from .tasks import Task


def majority_score(task: Task, train: Sequence[Example], rows: Sequence[Example]) -> float:
    """The metric, on some rows, of always answering the commonest training label (or mean)."""
    given = np.array([example.label for example in train])
    labels = np.array([example.label for example in rows], dtype=np.float64)
    if task.labels is None:
        return task.metric(np.full((len(labels), 1), given.mean()), labels)
    votes = np.bincount(given.astype(int), minlength=len(task.labels)).astype(np.float64)
    return task.metric(np.tile(votes, (len(labels), 1)), labels)
