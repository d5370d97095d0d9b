"""The search for a learning rate (and, if asked, rank, α and dropout) by the development metric."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState
from transformers import TrainerCallback

from ..errors import DivergedError, LensError
from . import ownership
from .ownership import ERROR
from .run import train
from .settings import RunSettings
from .space import Space
from .study import Sampler, open_study, sampler_of

_DONE = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)


def search(
    settings: RunSettings,
    out: Path,
    *,
    trials: int = 5,
    space: Space | None = None,
    storage: str | None = None,
    name: str | None = None,
    sampler: Sampler = "tpe",
    prune: bool = True,
    use_cpu: bool = False,
    callbacks: Callable[[], tuple[TrainerCallback, ...]] = tuple,
    report: Callable[[FrozenTrial], None] = lambda _: None,
) -> optuna.Study:
    """Run trials until the study has `trials` of them; the test rows are never looked at.

    Several processes or machines share a study by its storage and name. A trial that was killed or
    interrupted is taken up again, from its last checkpoint where that is at hand; one that crashed
    is recorded with its error and counts.

    Args:
        settings: What is not searched.
        out: Folder for the trials' runs.
        trials: Trials that the study shall have in the end, over all processes together.
        space: What is searched; by default the learning rate in the paper's interval.
        storage: An Optuna storage URL: SQLite, PostgreSQL, MySQL. By default a SQLite file in `out`.
        name: The study's name; by default ``TASK-METHOD``.
        sampler: ``tpe``, Optuna's default and the paper's, whose first ten trials are random; or ``qmc``,
            Optuna's quasi-random points, which spread few trials evenly.
        prune: Stop a trial that is below the median of the others at the same evaluation.
        use_cpu: As in `train`.
        callbacks: Makes further callbacks for every trial, for progress.
        report: Called with every trial when it has ended.

    Returns:
        The study; ``study.best_trial`` is the best trial that finished.

    Raises:
        SettingsError: The storage holds a study of that name with other settings.
        OutputError: The storage cannot be opened.
    """
    space = space or Space()
    study = open_study(settings, space, out, storage, name, sampler, prune)
    ownership.take_back(study)

    fatal: list[BaseException] = []

    def objective(trial: optuna.Trial) -> float:
        ownership.claim(trial)
        if _counted(study, before=trial.number) >= trials:
            raise _SurplusError  # another process asked for the last one at the same moment
        study.sampler = sampler_of(sampler, settings.seed, trial.number)
        try:
            record = train(
                space.suggest(trial, settings),
                out / "trials" / str(ownership.original_number(study, trial)),
                resume=True,
                use_cpu=use_cpu,
                test=False,
                callbacks=(*callbacks(), _Pruning(trial)),
            )
        except optuna.TrialPruned:
            raise
        except (KeyboardInterrupt, LensError) as error:
            if isinstance(error, DivergedError):
                trial.set_user_attr(ERROR, str(error))
            else:  # data, base model, output: every trial would meet it
                ownership.leave(trial)
                fatal.append(error)
            raise
        except Exception as error:
            trial.set_user_attr(ERROR, f"{type(error).__name__}: {error}"[:500])
            raise
        trial.set_user_attr("seconds", record["seconds"])
        return float(record["development_score"])

    while _counted(study) < trials and not fatal:
        study.optimize(
            objective, n_trials=1, catch=(Exception,), callbacks=[lambda _, trial: report(trial)]
        )
    if fatal:
        raise fatal[0]
    return study


class _SurplusError(Exception):
    """The study has its trials already."""


def _counted(study: optuna.Study, before: int | None = None) -> int:
    """Trials that count towards the number asked for: not those that another has taken up."""
    return sum(
        trial.state in _DONE or (trial.state == TrialState.FAIL and ERROR in trial.user_attrs)
        for trial in study.get_trials(deepcopy=False)
        if before is None or trial.number < before
    )


class _Pruning(TrainerCallback):
    """Tells the study every development score, and ends the trial when the study says so."""

    def __init__(self, trial: optuna.Trial) -> None:
        self._trial = trial

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        evaluation = sum("eval_score" in row for row in state.log_history)
        self._trial.report(kwargs["metrics"]["eval_score"], evaluation)
        if self._trial.should_prune():
            raise optuna.TrialPruned(f"below the median at evaluation {evaluation}")
