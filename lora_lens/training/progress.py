"""Progress of a run on standard error: a line an evaluation, and a bar where a person sees it."""

from __future__ import annotations

import sys
import warnings
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from transformers import TrainerCallback
from transformers.utils import logging

from ..terminal.quiet import is_quiet
from .alone import is_first_process


def quiet_libraries() -> None:
    """Keep the libraries' own bars, load reports and deprecations off standard error."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")


class ConsoleProgress(TrainerCallback):
    """Shows steps done and left, and the development score of every evaluation."""

    def __init__(self) -> None:
        # Every process of a distributed run has one; the first speaks.
        self._console = Console(
            stderr=True, highlight=False, quiet=is_quiet() or not is_first_process()
        )
        columns = (TextColumn("steps"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(
            *columns, console=self._console, transient=True, disable=not sys.stderr.isatty()
        )
        self._task = self._bar.add_task("steps", total=None)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._bar.update(self._task, total=state.max_steps, completed=state.global_step)
        self._bar.start()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._bar.update(self._task, completed=state.global_step)

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        metrics = kwargs.get("metrics", {})
        if "eval_score" in metrics:
            self._console.print(
                f"epoch {state.epoch:6.2f}   development score {metrics['eval_score']:.4f}   "
                f"loss {metrics['eval_mean_loss']:.4f}"
            )

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._bar.stop()
