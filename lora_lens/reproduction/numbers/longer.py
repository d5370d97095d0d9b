"""Whether the runs are long enough: the development score with more epochs, all else equal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ...labelled import Row, plain

ENOUGH = 0.005  # half a point: what more epochs may gain of a run that counts as finished
Verdict = Literal["finished", "not finished", "not learnt"]


@dataclass(frozen=True)
class LongerRun:
    """A run of more epochs beside the run that differs from it in that alone.

    Attributes:
        task, metric, method, seed: Of both.
        epochs, longer_epochs: At most.
        development, longer_development: The best development score of each, by which its checkpoint is
            kept; of more evaluations the best is a little higher by chance alone.
        test, longer_test: Of those checkpoints.
        learnt: Whether the longer run has learnt its task (see `least_learnt`).
        unused, longer_unused: Score of the rows that no run trains on, where there are some.
        longer_ended: The epoch after which the longer run's patience ended, if that was before its last.
    """

    task: str
    metric: str
    method: str
    seed: int
    epochs: float
    longer_epochs: float
    development: float
    longer_development: float
    test: float
    longer_test: float
    learnt: bool
    longer_ended: float | None = None
    unused: float | None = None
    longer_unused: float | None = None

    @property
    def change_unused(self) -> float | None:
        """What the further epochs change on the rows that no run trains on."""
        if self.unused is None or self.longer_unused is None:
            return None
        return self.longer_unused - self.unused

    @property
    def gain(self) -> float:
        """Development score that the further epochs bring."""
        return self.longer_development - self.development

    @property
    def verdict(self) -> Verdict:
        """``finished`` where the gain is below half a point; nothing is said of what was not learnt."""
        if not self.learnt:
            return "not learnt"
        return "finished" if self.gain < ENOUGH else "not finished"

    def row(self) -> Row:
        """As one row of a CSV file."""
        return {
            "task": self.task, "metric": self.metric, "method": self.method, "seed": self.seed,
            "epochs": plain(self.epochs), "longer_epochs": plain(self.longer_epochs),
            "development_score": plain(self.development),
            "longer_development_score": plain(self.longer_development),
            "gain": plain(self.gain), "test_score": plain(self.test),
            "longer_test_score": plain(self.longer_test), "verdict": self.verdict,
            "longer_ended": None if self.longer_ended is None else plain(self.longer_ended),
            **({} if (change := self.change_unused) is None else {"change_unused": plain(change)}),
        }  # fmt: skip
