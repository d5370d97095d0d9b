"""Whether a run has learnt its task: its test score is above what a constant answer makes by chance."""

from __future__ import annotations

import math

from ...training.data import TASKS

_DEVIATIONS = 2.0
WORDS = (
    "a run has learnt its task if its test score is more than two standard errors above the best constant "
    "answer's: √(c(1 − c)/n) of an accuracy c on n rows, 1/√n of a correlation of 0"
)


def best_constant(task: str, metric: str, majority: float) -> float:
    """The score of the best constant answer, as far as the majority's tells it.

    The commonest answer of the training rows is not always that of the test rows: of two classes the
    other one may do better. A correlation with a constant is 0.

    Example:
        >>> best_constant("rte", "accuracy", 0.473)
        0.527
    """
    known = TASKS.get(task)
    if metric == "accuracy" and known is not None and known.labels and len(known.labels) == 2:
        return max(majority, 1 - majority)
    return majority


def least_learnt(task: str, metric: str, majority: float, rows: int | None) -> float:
    """The test score above which a run has learnt its task; `rows` is the number of test rows.

    An accuracy has a binomial's standard error, a correlation of 0 that of 1/√n. Without `rows`
    it is the constant answer's score.

    Example:
        >>> round(least_learnt("rte", "accuracy", 0.473, 277), 3)
        0.587
        >>> round(least_learnt("cola", "matthews", 0.0, 1043), 3)
        0.062
    """
    constant = best_constant(task, metric, majority)
    if not rows:
        return constant
    variance = constant * (1 - constant) if metric in ("accuracy", "f1") else 1.0
    return constant + _DEVIATIONS * math.sqrt(variance / rows)
