"""The search for a learning rate (and, if asked, rank, α and dropout) by the development metric."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import optuna
from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial, TrialState
from transformers import TrainerCallback

from ..errors import DivergedError, LensError, SettingsError
from ..ledger import check_apart
from . import ownership, resuming
from .alone import BusyError
from .arguments import optimiser_steps
from .damage import DamagedRunError
from .data import open_data, set_aside
from .data.varied import check_varied
from .lengths import checked_length
from .models import open_classifier, put_adapter
from .ownership import ERROR, SURPLUS
from .run import train
from .settings import RunSettings
from .space import Plan, Sampler, Space, checked_seeds
from .stored import storing
from .study import open_study, sampler_of

_DONE = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)


def search(
    settings: RunSettings,
    out: Path,
    *,
    trials: int = 5,
    seeds: Sequence[int] = (),
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
        seeds: Each trial is trained with each of them and scores their mean, for a rate that one start
            bears another may not; by default with the settings' own seed.
        space: What is searched; by default the learning rate in the paper's interval.
        storage: An Optuna storage URL: SQLite, PostgreSQL, MySQL. By default a SQLite file in `out`.
        name: The study's name; by default ``TASK-METHOD``.
        sampler: ``tpe``, Optuna's default and the paper's, whose first ten trials are random; or ``qmc``,
            Optuna's quasi-random points, which spread few trials evenly.
        prune: Stop a trial that is below the median of the others at the same evaluation, of its first seed.
        use_cpu: As in `train`.
        callbacks: Makes further callbacks for every trial, for progress.
        report: Called with every trial when it has ended.

    Returns:
        The study; ``study.best_trial`` is the best trial that finished.

    Raises:
        BaseModelError: The base is not there.
        AdapterError: It has no such target modules.
        SettingsError: A seed is none, or a trial has too few steps for AdaLoRA's form. The storage holds a study of that name with other settings or other data, or torchrun or
            accelerate has started several processes.
        DataError: The data are not there, or do not fit the task.
        RefusedOutputError: `out` is, or lies in, what is read.
        OutputError: The storage cannot be opened or written, or a trial's folder cannot.
    """
    refuse_several_processes()
    plan = Plan(space or Space(), checked_seeds(seeds) or (settings.seed,), sampler, prune)
    task, splits = open_data(settings.task, settings.data, settings.own)
    splits, _ = set_aside(splits, settings.unused_rows, settings.unused_seed)
    splits = splits._replace(train=splits.train[: settings.train_rows])
    checksums = splits.checksums
    # What no trial could begin with is no study's: the corrected command would find it begun otherwise.
    check_varied(task, splits)
    each = [replace(settings, seed=seed) for seed in plan.seeds]
    classifier = open_classifier(settings.base, task.outputs)
    check_apart(out)
    checked_length(settings.max_length, classifier, settings.base, pairs=task.pairs, given=True)
    put_adapter(each[0], classifier, steps=optimiser_steps(settings, len(splits.train)))
    study = open_study(settings, checksums, plan, out, storage=storage, name=name)

    def objective(trial: optuna.Trial) -> float:
        ownership.claim(trial)
        with _failures_recorded(trial):
            # Another process asked for the last one, or for this one, at the same moment.
            if _counted(study, before=trial.number) >= trials or ownership.taken_up_twice(
                study, trial
            ):
                trial.set_user_attr(SURPLUS, True)
                raise _SurplusError
            study.sampler = sampler_of(plan.sampler, settings.seed, ownership.place(study, trial))
            chosen = plan.space.suggest(trial, settings)
            first = out / ownership.folder_of(study.get_trials(deepcopy=False)[trial.number])
            records = [
                _trained(
                    replace(chosen, seed=seed),
                    checksums,
                    first.with_name(f"{first.name}-seed-{seed}") if k else first,
                    None if k else trial,
                    use_cpu=use_cpu,
                    callbacks=callbacks,
                )
                for k, seed in enumerate(plan.seeds)
            ]
        trial.set_user_attr("seconds", sum(record["seconds"] for record in records))
        return fmean(record["development_score"] for record in records)

    def tell(_: optuna.Study, trial: FrozenTrial) -> None:
        if SURPLUS not in trial.user_attrs:
            report(trial)

    with storing(study.study_name):
        ownership.take_back(study)
        while _counted(study) < trials:
            study.optimize(objective, n_trials=1, catch=_ONE_TRIALS_OWN, callbacks=[tell])
    return study


def _trained(
    settings: RunSettings,
    checksums: Mapping[str, str],
    folder: Path,
    told: optuna.Trial | None,
    *,
    use_cpu: bool,
    callbacks: Callable[[], tuple[TrainerCallback, ...]],
) -> dict[str, Any]:
    """The record of one trial's run with one seed, trained unless it lies there.

    `told` is told of every evaluation, and may be pruned by it.
    """
    record = resuming.ended(folder, settings.resolved(), checksums, test=False, keep=False)
    if record is not None:  # killed between its end and the study's being told
        if told is not None:
            _report(told, record)
        return record
    pruning = (_Pruning(told),) if told else ()
    return train(
        settings,
        folder,
        resume=True,
        use_cpu=use_cpu,
        test=False,
        callbacks=(*callbacks(), *pruning),
    )


def _report(trial: optuna.Trial, record: dict[str, Any]) -> None:
    """Tell a study what it was not told of a run that lies there."""
    for evaluation, row in enumerate(record["history"], start=1):
        _tell(trial, evaluation, row["development_score"])


def _tell(trial: optuna.Trial, evaluation: int, score: float) -> None:
    """Tell a study of an evaluation, unless a process that was killed after it has told it."""
    known = trial.study.get_trials(deepcopy=False)[trial.number].intermediate_values
    if evaluation not in known:
        trial.report(score, evaluation)


def refuse_several_processes() -> None:
    """Refuse to be one of several processes that train one model together: each has trials of its own.

    Raises:
        SettingsError: torchrun or accelerate has started several.
    """
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    if processes > 1:
        raise SettingsError(
            f"a search cannot be one of {processes} processes of torchrun or accelerate; start the "
            f"command itself several times, with one --storage"
        )


class _SurplusError(Exception):
    """Another process has this trial."""


class _CrashedError(Exception):
    """A trial met an error that another one need not meet."""


# None of these ends the study.
_ONE_TRIALS_OWN = (_SurplusError, _CrashedError, DamagedRunError, DivergedError)


@contextmanager
def _failures_recorded(trial: optuna.Trial) -> Iterator[None]:
    """Write down with the trial why it failed, or that it is to be taken up again."""
    try:
        yield
    except (optuna.TrialPruned, _SurplusError):
        raise
    except BusyError as error:  # who seemed gone trains it still
        ownership.leave(trial)
        trial.set_user_attr(SURPLUS, True)
        raise _SurplusError from error
    except (DamagedRunError, DivergedError) as error:
        trial.set_user_attr(ERROR, str(error))
        raise
    except (
        KeyboardInterrupt,
        LensError,
        OSError,
        StorageInternalError,
    ):  # data, base, output, who reads what is said: every trial would meet it
        ownership.leave(trial)
        raise
    except Exception as error:
        trial.set_user_attr(ERROR, f"{type(error).__name__}: {error}"[:500])
        raise _CrashedError from error


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
        _tell(self._trial, evaluation, kwargs["metrics"]["eval_score"])
        if self._trial.should_prune():
            raise optuna.TrialPruned(f"below the median at evaluation {evaluation}")
