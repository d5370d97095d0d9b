"""What happens at a run's steps and evaluations, beside training."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from ..errors import DivergedError
from .resuming import find_best


class EvaluateLast(TrainerCallback):
    """Evaluate and save after the last step too, where it falls between two evaluations."""

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step >= state.max_steps:
            control.should_evaluate = control.should_save = control.should_log = True


class StopIfDiverged(TrainerCallback):
    """End a run whose numbers are no longer finite: no checkpoint of it would be worth keeping."""

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        loss = kwargs.get("metrics", {}).get("eval_mean_loss", 0.0)
        if not math.isfinite(loss):
            raise DivergedError(
                f"the development loss is {loss} at step {state.global_step}: training diverged; "
                f"try a smaller --lr"
            )


class StopEarly(TrainerCallback):
    """End a run whose development score has not risen for `patience` evaluations.

    transformers' own callback counts for itself, and a resumed run would begin to count anew.
    """

    def __init__(self, patience: int, after: int = -1) -> None:
        self._patience, self._after = patience, after

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        control.should_training_stop |= out_of_patience(
            state.log_history, self._patience, self._after
        )


class StopAfter(TrainerCallback):
    """End a run at its first evaluation after so many epochs; its schedule is that of all of them."""

    def __init__(self, epochs: float) -> None:
        self._epochs = epochs

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        control.should_training_stop |= state.epoch >= self._epochs


def has_stopped(log: Iterable[Mapping[str, Any]], stop_after: float | None) -> bool:
    """Whether a Trainer's log has the evaluation at which `StopAfter` ends a run.

    Example:
        >>> has_stopped([{"eval_score": 0.5, "epoch": 1.0}], 2), has_stopped([{"eval_score": 0.5, "epoch": 2.0}], 2)
        (False, True)
    """
    return stop_after is not None and any(
        "eval_score" in row and row["epoch"] >= stop_after for row in log
    )


def out_of_patience(log: Iterable[Mapping[str, Any]], patience: int, after: int = -1) -> bool:
    """Whether the last `patience` evaluations of a Trainer's log are no better than one before.

    Only those of steps beyond `after` count.
    """
    scores = [row["eval_score"] for row in log if "eval_score" in row and row["step"] > after]
    return bool(scores) and len(scores) - 1 - scores.index(max(scores)) >= patience


class FindBest(TrainerCallback):
    """Names a resumed run's best checkpoint by where it is now; see `find_best`."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        find_best(state, Path(args.output_dir))


class SpeedMeter(TrainerCallback):
    """Times this process's own training steps: evaluation, and steps before a resume, do not count."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.steps = 0
        self._begun = 0.0

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._begun = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.seconds += time.perf_counter() - self._begun
        self.steps += 1

    def examples_per_second(self, rows_a_step: float) -> float | None:
        """Rows trained on a second, over all processes; None if there was no step."""
        return round(self.steps * rows_a_step / self.seconds, 2) if self.steps else None
