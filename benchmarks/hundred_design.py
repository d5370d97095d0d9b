"""What the hundred adapters of hundred.py are, by which they are trained, surveyed and written about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

RANKS = (4, 8, 16)
ROWS = {"train": 1600, "development": 400, "test": 800}
MARGIN = 0.05
KS = (8, 16, 32)
SIDES = ("right", "left")
COMPARED = 8  # the rank of pairs that `compare` is asked about


class Task(NamedTuple):
    """Rows of GLUE, and what is to be told of them."""

    name: str
    folder: str
    text: tuple[str, ...]
    label: str
    metric: str = "accuracy"


TASKS = (
    Task("sst2", "SST-2", ("sentence",), "label"),
    Task("stsb", "STS-B", ("sentence1", "sentence2"), "score", "pearson"),
    Task("genre", "STS-B", ("sentence1", "sentence2"), "genre"),
    Task("qqp", "QQP", ("question1", "question2"), "is_duplicate"),
)


class Run(NamedTuple):
    """One adapter to train."""

    seed: int
    rank: int
    task: Task

    @property
    def name(self) -> str:
        """Its folder's."""
        return f"{self.task.name}-r{self.rank}-{self.seed}"


def run_of(name: str) -> Run:
    """The one whose folder has this name."""
    task, rank, seed = name.split("-")
    return Run(int(seed), int(rank[1:]), next(one for one in TASKS if one.name == task))


def learnt(scored: Mapping[str, Any], margin: float = MARGIN) -> bool:
    """Whether a run's score is above that of a constant answer, by the margin at least."""
    return bool(scored["score"] >= scored["majority"] + margin)
