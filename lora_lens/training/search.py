"""The search for a learning rate (and, if asked, rank, α and dropout) by the development metric."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import optuna
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, TrialState
from transformers import TrainerCallback

from ..errors import DivergedError, LensError, OutputError, SettingsError
from . import ownership
from .ownership import ERROR
from .run import train
from .settings import RunSettings

Sampler = Literal["tpe", "qmc"]
_SETTINGS = "settings"
_HEARTBEAT = 30  # seconds; a trial of another machine that is silent for four of them is taken over
_DONE = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)


@dataclass(frozen=True)
class Space:
    """What is searched. The defaults are the paper's: the learning rate alone, log-uniform.

    Attributes:
        learning_rate: Lowest and highest.
        ranks, alphas: Values to choose from; empty: the settings' own.
        dropout: Lowest and highest, uniform; None: the settings' own.
    """

    learning_rate: tuple[float, float] = (5e-5, 5e-3)
    ranks: tuple[int, ...] = ()
    alphas: tuple[float, ...] = ()
    dropout: tuple[float, float] | None = None

    def suggest(self, trial: optuna.Trial, settings: RunSettings) -> RunSettings:
        """The settings of one trial."""
        chosen: dict[str, Any] = {
            "learning_rate": trial.suggest_float("learning_rate", *self.learning_rate, log=True)
        }
        if self.ranks:
            chosen["rank"] = trial.suggest_categorical("rank", self.ranks)
        if self.alphas:
            chosen["alpha"] = trial.suggest_categorical("alpha", self.alphas)
        if self.dropout:
            chosen["dropout"] = trial.suggest_float("dropout", *self.dropout)
        return replace(settings, **chosen)


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
    study = _open_study(settings, space, out, storage, name, sampler, prune)
    ownership.take_back(study)

    fatal: list[BaseException] = []

    def objective(trial: optuna.Trial) -> float:
        ownership.claim(trial)
        if _counted(study, before=trial.number) >= trials:
            raise _SurplusError  # another process asked for the last one at the same moment
        # Seeded by the trial's number, so that parallel processes draw differently, and a study
        # that was stopped goes on as if it had not been.
        study.sampler = _sampler(sampler, settings.seed, trial.number)
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


def _sampler(kind: Sampler, seed: int, number: int) -> optuna.samplers.BaseSampler:
    if kind == "tpe":
        mixed = np.random.SeedSequence((seed, number)).generate_state(1)
        return optuna.samplers.TPESampler(seed=int(mixed[0]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.QMCSampler(seed=seed, scramble=True, warn_independent_sampling=False)


def _open_study(
    settings: RunSettings,
    space: Space,
    out: Path,
    storage: str | None,
    name: str | None,
    sampler: Sampler,
    prune: bool,
) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if storage is None:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot write to {out}: {error.strerror}") from None
        storage = f"sqlite:///{out / 'study.db'}"
    pruner = (
        optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=1)
        if prune
        else optuna.pruners.NopPruner()
    )
    name = name or f"{settings.task}-{settings.method}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study = optuna.create_study(
                study_name=name,
                storage=RDBStorage(
                    storage,
                    heartbeat_interval=_HEARTBEAT,
                    grace_period=4 * _HEARTBEAT,
                    heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(
                        inherit_intermediate_values=True
                    ),
                ),
                sampler=_sampler(sampler, settings.seed, 0),
                pruner=pruner,
                direction="maximize",
                load_if_exists=True,
            )
    except ImportError as error:
        raise OutputError(f"the storage {storage} needs a driver: {error}") from error
    except Exception as error:  # SQLAlchemy and the drivers raise many kinds
        reason = str(error).strip().splitlines()[0]
        raise OutputError(f"the storage {storage} cannot be opened: {reason}") from error
    _check_same(study, {"run": asdict(settings), "space": asdict(space) | {"sampler": sampler}})
    return study


def _check_same(study: optuna.Study, asked: Mapping[str, Any]) -> None:
    """A study goes on only under the settings that it was begun with."""
    asked = _as_json(asked)
    begun = study.user_attrs.get(_SETTINGS)
    if begun is None:
        study.set_user_attr(_SETTINGS, asked)
        return
    for part, values in asked.items():
        for key, value in values.items():
            if begun[part].get(key) != value:
                raise SettingsError(
                    f"the study {study.study_name!r} was begun with {key} = {begun[part].get(key)!r}, "
                    f"now it is {value!r}; use the same, or another --out or --name"
                )


def _as_json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _as_json(item) for key, item in value.items()}
    return list(map(_as_json, value)) if isinstance(value, tuple) else value


class _Pruning(TrainerCallback):
    """Tells the study every development score, and ends the trial when the study says so."""

    def __init__(self, trial: optuna.Trial) -> None:
        self._trial = trial

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        evaluation = sum("eval_score" in row for row in state.log_history)
        self._trial.report(kwargs["metrics"]["eval_score"], evaluation)
        if self._trial.should_prune():
            raise optuna.TrialPruned(f"below the median at evaluation {evaluation}")
