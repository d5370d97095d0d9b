"""The score of a constant answer, which any trained model ought to exceed."""

from __future__ import annotations

import numpy as np

from .rows import Splits
from .tasks import Task


def majority_score(task: Task, splits: Splits) -> float:
    """The metric, on the test rows, of always answering the commonest training label (or mean)."""
    train = np.array([example.label for example in splits.train])
    labels = np.array([example.label for example in splits.test], dtype=np.float64)
    if task.labels is None:
        return task.metric(np.full((len(labels), 1), train.mean()), labels)
    votes = np.bincount(train.astype(int), minlength=len(task.labels)).astype(np.float64)
    return task.metric(np.tile(votes, (len(labels), 1)), labels)
