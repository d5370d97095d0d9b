"""A configuration file of an experiment: read, and refused now where it could not be run to its end."""

from __future__ import annotations

import math
import re
import tomllib
from collections import Counter
from collections.abc import Collection
from dataclasses import fields, replace
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any, get_args

from ...errors import SettingsError
from ...ledger import reads
from ...training.data import TASKS
from ...training.methods import Method
from ...training.settings import RunSettings
from ...training.space import checked_seeds
from .config import (
    Analysis,
    Config,
    Equivalence,
    Longer,
    Search,
    UnusedRows,
    search_settings,
    tuples,
)
from .typed import check_fields

SHIPPED = ("paper", "mpnet", "minilm", "adalora", "smoke", "arms-minilm", "arms-mpnet")
# Of RunSettings, what [training] and [tasks.NAME] may not say: the experiment itself decides it. (A learning
# rate is what a method bears on a task: [tasks.NAME.METHOD] may give it.)
_DECIDED = {
    "task", "method", "base", "data", "own", "learning_rate", "seed", "stop_after", "source",
    "unused_rows", "unused_seed",
}  # fmt: skip
_SETTINGS = {one.name for one in fields(RunSettings)} - _DECIDED  # as a task's table may say them
_OF_ARMS = {"method", "source"}  # which [arms.NAME] says
_ARM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")  # it is a part of folders' names
_PARTS: dict[str, Any] = {
    "search": Search,
    "longer": Longer,
    "equivalence": Equivalence,
    "analysis": Analysis,
    "unused_rows": UnusedRows,
}


def read_config(source: str) -> Config:
    """Read a configuration: a TOML file, or the name of one that comes with lora-lens.

    Raises:
        SettingsError: There is no such file, or it says what is not known; names the key.
    """
    shipped = files("lora_lens.reproduction") / "configs" / f"{source}.toml"
    reads(source)
    try:
        text = (shipped if source in SHIPPED else Path(source)).read_text(encoding="utf-8")
        found = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{source} cannot be read ({error}); give a TOML file or one of {', '.join(SHIPPED)}"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{source} is not TOML: {error}") from None
    return _config(found, source)


def _config(found: dict[str, Any], source: str) -> Config:
    check_fields(found, Config, source, "")
    for key in ("name", "base", "tasks"):
        if not found.get(key):
            raise SettingsError(f"{source} says no {key!r}")
    for key in ("methods", "seeds"):
        if key in found and len(set(found[key])) != max(len(found[key]), 1):
            raise SettingsError(f"{source}: {key} are none, or one is there twice: {found[key]}")
    for task in found["tasks"]:
        if task not in TASKS:
            raise SettingsError(f"{source} has no task {task!r}; there are: {', '.join(TASKS)}")
    training = _run_settings(found.get("training", {}), source, "training")
    arms = _arms(found, source)
    if arms:  # instead of the two methods, unless these are asked for too
        found = {"methods": []} | found
    tasks = {task: _task_settings(own, source, task, arms) for task, own in found["tasks"].items()}
    parts: dict[str, Any] = {}
    for part, kind in _PARTS.items():
        check_fields(found.get(part, {}), kind, source, part)
        try:
            parts[part] = kind(**tuples(found.get(part, {})))
        except SettingsError as error:
            raise SettingsError(f"{source}: {error}") from None
    config = Config(
        **(tuples(found) | {"training": training, "tasks": tasks, "arms": arms} | parts)
    )
    _check_whole(config, source)
    return config


def _arms(found: dict[str, Any], source: str) -> dict[str, dict[str, Any]]:
    """Name to each arm."""
    arms = {name: _arm(own, source, name) for name, own in found.get("arms", {}).items()}
    if both := sorted({*found.get("methods", ())} & {*arms}):
        raise SettingsError(
            f"{source}: {both[0]!r} is a method and an arm; give the arm another name"
        )
    return arms


def _arm(values: dict[str, Any], source: str, name: str) -> dict[str, Any]:
    """An arm's method, and its own settings."""
    settings = _run_settings(values, source, f"arms.{name}", _OF_ARMS)
    methods = get_args(Method)
    if not _ARM.fullmatch(name) or name in _SETTINGS:
        raise SettingsError(
            f"{source}: an arm is called {name!r}, expected letters, digits, - and _, and no setting's name"
        )
    if "method" not in settings:
        raise SettingsError(
            f"{source}: [arms.{name}] says no method; expected one of {', '.join(methods)}"
        )
    if name in methods and settings["method"] != name:
        raise SettingsError(
            f"{source}: [arms.{name}] bears the name of a method and is of {settings['method']}; give it another name"
        )
    return settings


def _task_settings(
    values: dict[str, Any], source: str, task: str, arms: Collection[str]
) -> dict[str, Any]:
    """A task's own settings, and the tables of what is one method's own in it, or one arm's."""
    where, methods = f"tasks.{task}", {*get_args(Method), *arms} & set(values)
    own = {
        method: _run_settings(values[method], source, f"{where}.{method}", {"learning_rate"})
        for method in sorted(methods)
    }
    rest = {key: value for key, value in values.items() if key not in methods}
    return _run_settings(rest, source, where) | own


def _run_settings(
    values: dict[str, Any], source: str, where: str, may: Collection[str] = ()
) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise SettingsError(f"{source}: {where} is {values!r}, expected a table")
    decided = _DECIDED.difference(may)
    if found := decided & set(values):
        key = min(found)
        where_it_may = "; it is a method's own, as in [tasks.rte.lora]" * (key == "learning_rate")
        raise SettingsError(f"{source}: {where} may not say {key!r}{where_it_may}")
    check_fields(values, RunSettings, source, where, decided)
    return tuples(values)


def _check_whole(config: Config, source: str) -> None:
    """Find out now, and not after days, what a run, a search or the analysis would refuse."""
    wanted = config.analysis
    _check_search(config, source)
    try:
        for task, method in product(config.tasks, config.names):
            _check_runs(config, task, method)
    except SettingsError as error:
        raise SettingsError(f"{source}: {error}") from None
    for task, own in config.tasks.items():
        foreign = set(get_args(Method)) & set(own) - set(config.names)
        if foreign:
            raise SettingsError(
                f"{source}: [tasks.{task}.{min(foreign)}] is of none of its methods: {', '.join(config.names)}"
            )
    if wanted.figure_task not in (None, *config.tasks):
        raise SettingsError(
            f"{source}: [analysis] figure_task {wanted.figure_task!r} is none of its tasks: "
            f"{', '.join(config.tasks)}"
        )
    _check_each_once(config, source)
    foreign = set(config.longer.seeds) - set(config.seeds)
    if foreign:
        raise SettingsError(
            f"{source}: [longer] seeds names {min(foreign)}, which is none of its seeds: "
            f"{', '.join(map(str, config.seeds))}"
        )
    if not 1 < config.longer.factor < math.inf:
        raise SettingsError(
            f"{source}: [longer] factor is {config.longer.factor}, expected a number above 1"
        )
    for place, name, value, least in (
        ("analysis", "draws", wanted.draws, 2),
        ("analysis", "shared_draws", wanted.shared_draws, 2),
        ("analysis", "speed_steps", wanted.speed_steps, 1),
        ("analysis", "speed_length", wanted.speed_length, 1),
    ):
        if value < least:
            raise SettingsError(f"{source}: [{place}] {name} is {value}, expected {least} at least")


def _check_each_once(config: Config, source: str) -> None:
    """Of lists of which each entry is a step, or an analysis."""
    modules = config.analysis.modules
    for name, named in (("[longer] seeds", config.longer.seeds), ("[analysis] modules", modules)):
        twice = [one for one, count in Counter(map(str, named)).items() if count > 1]
        if twice:
            raise SettingsError(f"{source}: {name} names {twice[0]} twice, expected each once")
    if not modules:
        raise SettingsError(
            f"{source}: [analysis] modules names none, expected some of those trained"
        )


def _check_runs(config: Config, task: str, method: str) -> None:
    """Those of one task and method, and its search's."""
    searched = search_settings(config, task, method)
    for seed in config.search.of(task).seeds:
        replace(searched, seed=seed)
    for seed in config.seeds:
        settings = config.settings(task, method, seed=seed)
    absent = set(config.analysis.modules) - set(settings.target_modules)
    if absent and method in config.methods:  # arms are not analysed
        raise SettingsError(
            f"[analysis] modules names {min(absent)!r}, which {task} does not train; it "
            f"trains: {', '.join(settings.target_modules)}"
        )


def _check_search(config: Config, source: str) -> None:
    """Of every task."""
    foreign = set(config.search.tasks) - set(config.tasks)
    if foreign:
        raise SettingsError(
            f"{source}: [search.tasks] names {min(foreign)!r}, which is none of its tasks: "
            f"{', '.join(config.tasks)}"
        )
    for task, own in config.search.tasks.items():
        check_fields(own, Search, source, f"search.tasks.{task}", {"tasks"})
    for task in config.tasks:
        asked = config.search.of(task)
        try:
            _ = asked.space
            checked_seeds(asked.seeds)
        except SettingsError as error:
            raise SettingsError(f"{source}: {error}") from None
        if asked.trials < 1:
            raise SettingsError(f"{source}: [search] trials is {asked.trials}, expected 1 at least")
