"""An Optuna study that several processes and machines may share."""

from __future__ import annotations

import random
import re
import time
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from itertools import islice, repeat
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.storages import RDBStorage
from sqlalchemy import Connection, Engine, event
from sqlalchemy.pool import NullPool

from ..errors import OutputError, SettingsError
from ..printable import first_line
from .as_asked import by_source, deciding, first_difference
from .ownership import put_back
from .settings import RunSettings
from .space import Plan, Sampler
from .stored import storing

_SETTINGS = "settings"
_RUN = "run"
_SPACE = "space"
# Which studies that were begun before they were written down do not have:
_PRUNE = "prune"
_DATA = "data"
_BEGINS = "lora_lens_begins"  # of an engine: how its transactions begin, one after another
_AT_ONCE = "BEGIN IMMEDIATE"
_PATIENCE = 60  # seconds to wait for another process's transaction
_HEARTBEAT = 30  # seconds; a trial of another machine that is silent for four of them is taken over
# What databases say when another process makes the same tables, or the same study, just then.
_MADE_MEANWHILE = ("UNIQUE constraint", "already exists", "is locked", "uplicate")
_ATTEMPTS = 6
# Of the drivers that SQLAlchemy takes when a URL names none, what pip calls them.
_PIP_NAMES = {
    "psycopg": "'psycopg[binary]'",
    "psycopg2": "psycopg2-binary",
    "MySQLdb": "mysqlclient",
}


def sampler_of(kind: Sampler, seed: int, number: int) -> optuna.samplers.BaseSampler:
    """The sampler of one trial.

    Seeded by the trial's place among those that take up no other, so that parallel processes draw differently, and a
    study that was stopped goes on as if it had not been. (QMC keeps its place in the sequence in the study.)
    """
    if kind == "tpe":
        mixed = np.random.SeedSequence((seed, number)).generate_state(1)
        return optuna.samplers.TPESampler(seed=int(mixed[0]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.QMCSampler(seed=seed, scramble=True, warn_independent_sampling=False)


def open_study(
    settings: RunSettings,
    checksums: Mapping[str, str],
    plan: Plan,
    out: Path,
    *,
    storage: str | None = None,
    name: str | None = None,
) -> optuna.Study:
    """The study of that name in that storage, made if it is not there; see `search`."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    # The folders of trials do not go by the name of the study, nor the studies of a storage by --out.
    elsewhere = "another --out" if storage is None else "another --out and --name"
    if storage is None:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot write to {out}: {error.strerror}") from None
        storage = f"sqlite:///{out / 'study.db'}"
    pruner = (
        optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=1)
        if plan.prune
        else optuna.pruners.NopPruner()
    )
    study = _created(
        storage,
        study_name=name or f"{settings.task}-{settings.method}",
        sampler=sampler_of(plan.sampler, settings.seed, 0),
        pruner=pruner,
    )
    searched = asdict(plan.space) | {"sampler": plan.sampler, _PRUNE: plan.prune}
    if plan.seeds != (settings.seed,):  # the run's settings say that one
        searched["seeds"] = plan.seeds
    with storing(study.study_name):
        _check_same(
            study,
            {_RUN: settings.as_written(), _SPACE: searched, _DATA: dict(checksums)},
            elsewhere,
        )
    return study


def _created(storage: str, **study: Any) -> optuna.Study:
    """The study, made if it is not there; processes that make it at one moment wait for each other."""
    shown = re.sub(r"(//[^:/@]*):[^@]*@", r"\1:***@", storage)  # no password in a log
    attempt = 0
    while True:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                return optuna.create_study(
                    storage=_opened(storage), direction="maximize", load_if_exists=True, **study
                )
        except ImportError as error:
            module = getattr(error.__cause__, "name", None) or "a driver"
            raise OutputError(
                f"the storage {shown} needs {module}, which is not installed; "
                f"pip install {_PIP_NAMES.get(module, module)}"
            ) from error
        except Exception as error:  # SQLAlchemy and the drivers raise many kinds
            if attempt == _ATTEMPTS or not _made_meanwhile(error):
                raise OutputError(
                    f"the storage {shown} cannot be opened: {first_line(error)}"
                ) from error
        time.sleep(random.uniform(0.1, 0.5) * 2**attempt)
        attempt += 1


def _made_meanwhile(error: BaseException | None) -> bool:
    """Whether it, or what it was raised over, says so."""
    while error is not None:
        if any(sign in str(error) for sign in _MADE_MEANWHILE):
            return True
        error = error.__cause__ or error.__context__
    return False


def _opened(url: str) -> RDBStorage:
    """The storage, in which no two processes can take one trial from the queue.

    Optuna locks a trial's row while it looks whether it is free. SQLite knows no such lock, so there
    a transaction locks the file when it begins, not when it first writes.
    """
    lite = url.startswith("sqlite")
    storage = RDBStorage(
        url,
        # No connection is kept for later: a file is opened quickly, and nobody closes a study.
        engine_kwargs={
            "connect_args": {"timeout": _PATIENCE, "isolation_level": None},
            "poolclass": NullPool,
            # The first makes the tables. Its version it looks up by two at a time, of which one would wait for the other.
            "execution_options": {_BEGINS: iter([_AT_ONCE])},
        }
        if lite
        else None,
        heartbeat_interval=_HEARTBEAT,
        grace_period=4 * _HEARTBEAT,
        heartbeat_stale_trial_callback=put_back,
    )
    if lite:
        storage.engine.update_execution_options(**{_BEGINS: repeat(_AT_ONCE)})
    return storage


@event.listens_for(Engine, "begin")
def _begin(link: Connection) -> None:
    """SQLAlchemy's own recipe for SQLite, of engines that were opened here: the driver shall not begin transactions in its own way.

    From the first: it would make each table and each index by itself, and where a process is ended between them,
    one is missing for good.
    """
    for how in islice(link.engine.get_execution_options().get(_BEGINS, ()), 1):
        link.exec_driver_sql(how)


def _check_same(study: optuna.Study, asked: Mapping[str, Any], elsewhere: str) -> None:
    """A study goes on only under the settings, and with the data, that it was begun with."""
    begun = study.user_attrs.get(_SETTINGS, {})
    for part, values in asked.items():
        was = begun.get(part, values)
        if part == _SPACE:
            was = {_PRUNE: values[_PRUNE]} | was
        made, now = (
            _decides(part, run, of)
            for run, of in ((begun.get(_RUN, asked[_RUN]), was), (asked[_RUN], values))
        )
        if other := first_difference(made, now):
            of = f"the checksum of {other.name}" if part == _DATA else other.name
            raise SettingsError(
                f"the study {study.study_name!r} was begun with {of} = {other.made!r}, "
                f"now it is {other.asked!r}; use the same, or {elsewhere}"
            )
    if asked.keys() - begun.keys():
        study.set_user_attr(_SETTINGS, dict(asked) | begun)


def _decides(part: str, run: Mapping[str, Any], values: Mapping[str, Any]) -> Mapping[str, Any]:
    if part == _DATA:
        return by_source(run, values)
    return deciding(values) if part == _RUN else values
