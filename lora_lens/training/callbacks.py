"""What happens at a run's steps and evaluations, beside training."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from ..errors import DivergedError
from .ending import Ending
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


class StopAtEnding(TrainerCallback):
    """End a run where its `Ending` says.

    transformers' own callback counts for itself, and a resumed run would begin to count anew.
    """

    def __init__(self, ending: Ending) -> None:
        self._ending = ending

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        control.should_training_stop |= self._ending.reached(state.log_history)


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
