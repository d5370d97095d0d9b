"""A configuration file of an experiment: what is run, over which tasks, methods and seeds."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any

from ..errors import SettingsError
from ..training.data import TASKS
from ..training.settings import Method, RunSettings
from ..training.space import Sampler, Space, checked_seeds
from .typed import check_fields

SHIPPED = ("paper", "mpnet", "minilm", "adalora", "smoke")
# Of RunSettings, what [training] and [tasks.NAME] may not say: the experiment itself decides it.
_DECIDED = {"task", "method", "base", "data", "own", "learning_rate", "seed", "stop_after"}


@dataclass(frozen=True)
class Search:
    """How learning rates are searched; see `lora_lens.training.search.search`.

    Attributes:
        seeds: With which each trial is trained, to score their mean; by default 0 alone.
        epochs: Of a trial, where they are fewer than a run's; None for as many.
        cut: Whether these are the first of a run's own schedule; else a trial has a schedule of its own, whose
            rate has fallen to 0 at its end, and which bears larger rates than a run does.
        tasks: Task to what is its own of these.
    """

    trials: int = 5
    seeds: tuple[int, ...] = ()
    learning_rate: tuple[float, float] = (5e-5, 5e-3)
    sampler: Sampler = "tpe"
    prune: bool = True
    epochs: float | None = None
    cut: bool = False
    tasks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def of(self, task: str) -> Search:
        """How it is done for one task."""
        return replace(self, tasks={}, **_tuples(dict(self.tasks.get(task, {}))))

    @property
    def space(self) -> Space:
        """What is searched."""
        return Space(learning_rate=self.learning_rate)


@dataclass(frozen=True)
class Longer:
    """Whether runs are long enough: which seeds are run again, by every method, with more epochs.

    A learning rate that falls to 0 makes every curve end flat, so that a curve does not tell.

    Attributes:
        seeds: Of the experiment's; none by default.
        factor: By what the epochs are multiplied.
    """

    seeds: tuple[int, ...] = ()
    factor: float = 2.0


@dataclass(frozen=True)
class Equivalence:
    """When two methods' scores count as equivalent, and how often the test rows are drawn anew.

    Attributes:
        margin: In points, so that 1 is a hundredth of the metric.
        draws: Of the bootstrap over the rows.
    """

    margin: float = 1.0
    draws: int = 9999

    def __post_init__(self) -> None:
        """Refuse a margin within which nothing could lie.

        Raises:
            SettingsError: Names the value, and what it may be.
        """
        if not (math.isfinite(self.margin) and self.margin > 0):
            raise SettingsError(
                f"the margin of equivalence is {self.margin}, expected a number of points above 0"
            )
        if self.draws < 100:
            raise SettingsError(f"[equivalence] draws is {self.draws}, expected 100 at least")


@dataclass(frozen=True)
class Analysis:
    """What of the trained adapters is looked at; see `conversion_similarity`.

    `shared_draws` are those of what the layers share, asked forwards: verdicts are corrected over all
    LoRA adapters, modules and factors, and take 20 draws for each.
    """

    modules: tuple[str, ...] = ("value",)
    figure_task: str | None = None
    draws: int = 200
    shared_draws: int = 999
    speed_steps: int = 50
    speed_length: int = 64


@dataclass(frozen=True)
class Config:
    """An experiment: every task by every method, a search each, then a run a seed.

    Attributes:
        name: Of the experiment.
        base: Base model.
        data: Folder of GLUE's TSV files; None for the hub.
        methods, seeds: What is compared, and how often it is run.
        tasks: Task to the settings that are its own, such as the number of epochs.
        training: Settings of every run.
        remarks: What a reader of the results has to know of the base or the data; a line in Markdown.
        search, longer, equivalence, analysis: How learning rates are searched, what is run again with
            more epochs, when two methods are equivalent, and what is analysed.
    """

    name: str
    base: str
    tasks: Mapping[str, Mapping[str, Any]]
    data: str | None = None
    methods: tuple[Method, ...] = ("lora", "condlora")
    seeds: tuple[int, ...] = (0,)
    training: Mapping[str, Any] = ()  # type: ignore[assignment]
    remarks: str = ""
    search: Search = Search()
    longer: Longer = Longer()
    equivalence: Equivalence = Equivalence()
    analysis: Analysis = Analysis()

    def settings(
        self, task: str, method: Method, *, seed: int = 0, learning_rate: float | None = None
    ) -> RunSettings:
        """The settings of one run."""
        return RunSettings(
            task=task,
            method=method,
            base=self.base,
            data=self.data,
            learning_rate=learning_rate,
            seed=seed,
            **(dict(self.training) | dict(self.tasks[task])),
        )


def search_settings(config: Config, task: str, method: Method) -> RunSettings:
    """The settings of a search's trials, all but the learning rate."""
    found, asked = config.settings(task, method), config.search.of(task)
    if asked.epochs is None:
        return found
    if asked.cut:
        return replace(found, stop_after=asked.epochs)
    return replace(found, epochs=asked.epochs)


_PARTS: dict[str, Any] = {
    "search": Search,
    "longer": Longer,
    "equivalence": Equivalence,
    "analysis": Analysis,
}


def longer_settings(config: Config, settings: RunSettings) -> RunSettings:
    """The settings of a run of more epochs, all else as in `settings`."""
    resolved = settings.resolved()
    return replace(resolved, epochs=(resolved.epochs or 0) * config.longer.factor)


def read_config(source: str) -> Config:
    """Read a configuration: a TOML file, or the name of one that comes with lora-lens.

    Raises:
        SettingsError: There is no such file, or it says what is not known; names the key.
    """
    shipped = files("lora_lens.reproduction") / "configs" / f"{source}.toml"
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
    tasks = {
        task: _run_settings(own, source, f"tasks.{task}") for task, own in found["tasks"].items()
    }
    parts: dict[str, Any] = {}
    for part, kind in _PARTS.items():
        check_fields(found.get(part, {}), kind, source, part)
        try:
            parts[part] = kind(**_tuples(found.get(part, {})))
        except SettingsError as error:
            raise SettingsError(f"{source}: {error}") from None
    config = Config(**(_tuples(found) | {"training": training, "tasks": tasks} | parts))
    _check_whole(config, source)
    return config


def _run_settings(values: dict[str, Any], source: str, where: str) -> dict[str, Any]:
    decided = _DECIDED & set(values)
    if decided:
        raise SettingsError(f"{source}: {where} may not say {sorted(decided)[0]!r}")
    check_fields(values, RunSettings, source, where)
    return _tuples(values)


def _check_whole(config: Config, source: str) -> None:
    """Find out now, and not after days, what a run, a search or the analysis would refuse."""
    wanted = config.analysis
    _check_search(config, source)
    try:
        for task in config.tasks:
            for method, seed in product(config.methods, config.seeds):
                settings = config.settings(task, method, seed=seed)
                search_settings(config, task, method)
            absent = set(wanted.modules) - set(settings.target_modules)
            if absent:
                raise SettingsError(
                    f"[analysis] modules names {min(absent)!r}, which {task} does not train; it "
                    f"trains: {', '.join(settings.target_modules)}"
                )
    except SettingsError as error:
        raise SettingsError(f"{source}: {error}") from None
    if wanted.figure_task not in (None, *config.tasks):
        raise SettingsError(
            f"{source}: [analysis] figure_task {wanted.figure_task!r} is none of its tasks: "
            f"{', '.join(config.tasks)}"
        )
    foreign = set(config.longer.seeds) - set(config.seeds)
    if foreign:
        raise SettingsError(
            f"{source}: [longer] seeds names {min(foreign)}, which is none of its seeds: "
            f"{', '.join(map(str, config.seeds))}"
        )
    if not config.longer.factor > 1:
        raise SettingsError(
            f"{source}: [longer] factor is {config.longer.factor}, expected more than 1"
        )
    for place, name, value, least in (
        ("analysis", "draws", wanted.draws, 2),
        ("analysis", "speed_steps", wanted.speed_steps, 1),
        ("analysis", "speed_length", wanted.speed_length, 1),
    ):
        if value < least:
            raise SettingsError(f"{source}: [{place}] {name} is {value}, expected {least} at least")


def _check_search(config: Config, source: str) -> None:
    """Of every task."""
    foreign = set(config.search.tasks) - set(config.tasks)
    if foreign:
        raise SettingsError(
            f"{source}: [search.tasks] names {min(foreign)!r}, which is none of its tasks: "
            f"{', '.join(config.tasks)}"
        )
    for task, own in config.search.tasks.items():
        check_fields(own, Search, source, f"search.tasks.{task}")
    for task in config.tasks:
        asked = config.search.of(task)
        try:
            _ = asked.space
            checked_seeds(asked.seeds)
        except SettingsError as error:
            raise SettingsError(f"{source}: {error}") from None
        if asked.trials < 1:
            raise SettingsError(f"{source}: [search] trials is {asked.trials}, expected 1 at least")


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
