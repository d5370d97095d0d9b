"""Scores of methods on tasks over seeds, and what tells two methods apart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import stdtr

from ...labelled import Row, plain
from .learnt import least_learnt

_EQUAL = 1e-9  # below what one row of a million more or less makes


@dataclass(frozen=True)
class Paired:
    """One method's scores less another's, seed by seed.

    Attributes:
        seeds: How many.
        mean: Mean difference.
        standard_error: Of that mean, s/√n; NaN for one seed.
        p: Two-sided p-value of Student's paired t-test; NaN for one seed, or where all differences
            are equal.
    """

    seeds: int
    mean: float
    standard_error: float
    p: float


@dataclass(frozen=True)
class TaskScores:
    """What each method scored on one task's test rows.

    Attributes:
        task, metric: Of what.
        majority: The score of always giving the commonest training label (or mean).
        scores: Method to seed to score.
        learning_rates: Method to the learning rate that its search found.
        curves: Method to seed to (epoch, development score) at every evaluation of that run.
        rows_tested: How many test rows there are, where that is known.
        parameters: Method to what it trains beside the head, where that is known.

    Means, deviations and differences are over the runs that have learnt the task: one that stays at a
    constant answer's score says that a method failed, not how it scores.
    """

    task: str
    metric: str
    majority: float
    scores: Mapping[str, Mapping[int, float]]
    learning_rates: Mapping[str, float]
    curves: Mapping[str, Mapping[int, Sequence[tuple[float, float]]]] = field(default_factory=dict)
    rows_tested: int | None = None
    parameters: Mapping[str, int] = field(default_factory=dict)

    @property
    def least(self) -> float:
        """The score above which a run has learnt the task; see `least_learnt`."""
        return least_learnt(self.task, self.metric, self.majority, self.rows_tested)

    def learnt(self, method: str) -> dict[int, float]:
        """Seed to score of the runs that have learnt the task."""
        return {s: score for s, score in self.scores.get(method, {}).items() if score > self.least}

    def not_learnt(self, method: str) -> dict[int, float]:
        """Seed to score of the runs that have not."""
        learnt = self.learnt(method)
        return {s: score for s, score in self.scores.get(method, {}).items() if s not in learnt}

    def mean(self, method: str) -> float:
        """Mean over the seeds that have learnt the task; NaN where there is none."""
        found = list(self.learnt(method).values())
        return float(np.mean(found)) if found else math.nan

    def sd(self, method: str) -> float:
        """Standard deviation over those seeds (n − 1); NaN for fewer than two."""
        found = list(self.learnt(method).values())
        return float(np.std(found, ddof=1)) if len(found) > 1 else math.nan

    def paired(self, one: str, other: str) -> Paired | None:
        """`one` less `other` over the seeds with which both have learnt the task, if there is one."""
        return paired(self.learnt(one), self.learnt(other))

    def rows(self) -> list[Row]:
        """One row a method and seed."""
        return [
            {
                "task": self.task, "metric": self.metric, "method": method, "seed": seed,
                "score": plain(score), "majority_score": plain(self.majority),
                "learning_rate": plain(self.learning_rates[method]),
                "learnt": score > self.least,
            }
            for method, seeds in self.scores.items()
            for seed, score in seeds.items()
        ]  # fmt: skip


def paired(one: Mapping[int, float], other: Mapping[int, float]) -> Paired | None:
    """`one` less `other` where both have a value; Student's paired t-test."""
    common = sorted(set(one) & set(other))
    if not common:
        return None
    first, second = (np.array([scores[key] for key in common]) for scores in (one, other))
    difference = first - second
    mean = float(difference.mean())
    if len(common) == 1:
        return Paired(1, mean, math.nan, math.nan)
    if np.ptp(difference) < _EQUAL:
        return Paired(len(common), mean, 0.0, math.nan)
    error = float(difference.std(ddof=1) / math.sqrt(len(common)))
    p = 2 * float(stdtr(len(common) - 1, -abs(mean / error)))
    return Paired(len(common), mean, error, p)


def averages(tasks: Sequence[TaskScores], method: str) -> dict[int, float]:
    """Seed to the mean over the tasks, for the seeds that every task has."""
    found = [task.scores.get(method, {}) for task in tasks]
    common = set.intersection(*(set(scores) for scores in found)) if found else set()
    return {seed: float(np.mean([scores[seed] for scores in found])) for seed in sorted(common)}


def all_learnt(tasks: Sequence[TaskScores]) -> list[TaskScores]:
    """The tasks that every run has learnt: over the others there is no mean to make."""
    return [task for task in tasks if not any(map(task.not_learnt, task.scores))]
