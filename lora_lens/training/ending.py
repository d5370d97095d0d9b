"""Where a run ends before its last epoch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Ending:
    """At which evaluation a run ends, asked while it trains and of a checkpoint that it goes on from.

    Attributes:
        patience: Evaluations without a better score than one before.
        after: Only those of steps beyond it count for that.
        stop_after: Epochs; it ends at the first evaluation after so many, and its schedule is that of all of them.
    """

    patience: int
    after: int = -1
    stop_after: float | None = None

    def reached(self, log: Iterable[Mapping[str, Any]]) -> bool:
        """Whether a Trainer's log has the evaluation at which the run ends.

        Example:
            >>> log = [{"eval_score": 0.5, "epoch": 1.0, "step": 7}, {"eval_score": 0.4, "epoch": 2.0, "step": 14}]
            >>> Ending(1).reached(log), Ending(2).reached(log), Ending(1, after=7).reached(log), Ending(2, stop_after=2).reached(log)
            (True, False, False, True)
        """
        evaluated = [row for row in log if "eval_score" in row]
        if self.stop_after is not None and any(
            row["epoch"] >= self.stop_after for row in evaluated
        ):
            return True
        scores = [row["eval_score"] for row in evaluated if row["step"] > self.after]
        return bool(scores) and len(scores) - 1 - scores.index(max(scores)) >= self.patience
