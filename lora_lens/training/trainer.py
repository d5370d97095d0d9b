"""transformers' Trainer, with rows of like length in a batch, AdaLoRA's budget, and a resume that may have nothing to do."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, cast

from torch.utils.data import Sampler
from transformers import Trainer

from . import resuming
from .budget import Budget
from .disk import writing
from .ending import Ending
from .sampling import LengthGrouped
from .settings import RunSettings

_SECONDS = "seconds"  # in the Trainer's log


class LensTrainer(Trainer):
    """The Trainer of one run.

    Args:
        settings: Of the run.
        budget: AdaLoRA's, where it has one.
        ending: Where it ends before its last epoch.
        **arguments: The Trainer's own.
    """

    def __init__(
        self, *, settings: RunSettings, budget: Budget | None, ending: Ending, **arguments: Any
    ) -> None:
        super().__init__(**arguments)
        self._settings, self._budget, self._ending = settings, budget, ending
        self._before, self._began = 0.0, time.perf_counter()

    @property
    def seconds(self) -> float:
        """How long training has taken, with what of the run came before the checkpoint that it goes on from."""
        return self._before + time.perf_counter() - self._began

    def log(self, *given: Any, **named: Any) -> None:
        """As the Trainer, and when that was, for whoever goes on from the next checkpoint."""
        super().log(*given, **named)
        self.state.log_history[-1][_SECONDS] = self.seconds

    def train_from(self, checkpoint: Path | None) -> None:
        """Train, or go on from a checkpoint: not a step more where that run had ended, by its patience or where it was to stop."""
        self._began = time.perf_counter()
        if checkpoint is not None:
            state = resuming.state_of(checkpoint)
            self._before = next(
                (row[_SECONDS] for row in reversed(state.log_history) if _SECONDS in row), 0.0
            )
            if self._ending.reached(state.log_history):
                self.state = state
                resuming.find_best(state, Path(str(self.args.output_dir)))
                self._load_best_model()
                return
        self.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))

    def _save_checkpoint(self, *given: Any, **named: Any) -> None:
        """As the Trainer, by three libraries.

        Raises:
            OutputError: The checkpoint cannot be written.
        """
        with writing(Path(str(self.args.output_dir))):
            super()._save_checkpoint(*given, **named)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        """Beside them the budget's state: before ``trainer_state.json``, which makes a checkpoint whole."""
        super()._save_optimizer_and_scheduler(output_dir)
        if self._budget is not None and self.is_world_process_zero():
            self._budget.save(Path(output_dir))

    def _save_rng_state(self, output_dir: str) -> None:
        """Every process its own, all of them before ``trainer_state.json``."""
        super()._save_rng_state(output_dir)
        self.accelerator.wait_for_everyone()

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int] | None:
        if not self._settings.group_by_length:
            return super()._get_train_sampler(train_dataset)
        rows = cast(Any, train_dataset or self.train_dataset)
        return LengthGrouped(
            [len(row["input_ids"]) for row in rows],
            batch_size=self._settings.batch_size,
            seed=self._settings.seed,
        )
