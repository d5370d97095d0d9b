"""The configuration of an experiment: what is run, over which tasks, methods and seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ...errors import SettingsError
from ...training.methods import METHODS, Method
from ...training.settings import RunSettings
from ...training.space import Sampler, Space
from .paper import COMPARED


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
        return replace(self, tasks={}, **tuples(dict(self.tasks.get(task, {}))))

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
class UnusedRows:
    """A second split of every task's train, fixed before the runs: rows that no search and no run trains on.

    Attributes:
        rows: How many; None for none.
        seed: By which they are drawn.
    """

    rows: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class Config:
    """An experiment: every task by every method and arm, a search each, then a run a seed.

    Attributes:
        name: Of the experiment.
        base: Base model.
        data: Folder of GLUE's TSV files; None for the hub.
        methods, seeds: What is compared, and how often it is run.
        tasks: Task to the settings that are its own, such as the number of epochs; among them, a method's
            or an arm's name to those that its runs alone have. A learning rate that stands there is not searched.
        arms: Name to a method and the settings that make it another than that of the other arms; the first is compared with each.
        training: Settings of every run.
        remarks: What a reader of the results has to know of the base or the data; a line in Markdown.
        unused_rows: Which rows of train no run trains on, and every run is scored on.
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
    arms: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    unused_rows: UnusedRows = UnusedRows()
    search: Search = Search()
    longer: Longer = Longer()
    equivalence: Equivalence = Equivalence()
    analysis: Analysis = Analysis()

    @property
    def names(self) -> tuple[str, ...]:
        """Of everything that is run: the methods, then the arms."""
        return (*self.methods, *self.arms)

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Which two are compared, one less the other."""
        first, *others = self.arms or ("",)
        of_methods = (pair for pair in COMPARED if {*pair} <= {*self.methods})
        return (*of_methods, *((first, other) for other in others))

    def settings(
        self, task: str, method: str, *, seed: int = 0, learning_rate: float | None = None
    ) -> RunSettings:
        """The settings of one run; with the learning rate that the configuration gives, where it gives one."""
        own = self.own(task, method)
        rate = own.pop("learning_rate", learning_rate)
        return RunSettings(
            task=task,
            method=self.arms.get(method, {}).get("method", method),
            base=self.base,
            data=self.data,
            learning_rate=rate,
            seed=seed,
            unused_rows=self.unused_rows.rows,
            unused_seed=self.unused_rows.seed,
            **(dict(self.training) | own),
        )

    def own(self, task: str, method: str) -> dict[str, Any]:
        """What the settings of a task's runs by one method or arm are where they are not every run's."""
        said = dict(self.tasks[task])
        of_names = {name: said.pop(name) for name in (*METHODS, *self.arms) if name in said}
        arm = {key: value for key, value in self.arms.get(method, {}).items() if key != "method"}
        return said | arm | dict(of_names.get(method, {}))

    def is_searched(self, task: str, method: str) -> bool:
        """Whether the learning rate of a task and method is searched, and not given."""
        return "learning_rate" not in self.own(task, method)


def search_settings(config: Config, task: str, method: str) -> RunSettings:
    """The settings of a search's trials, all but the learning rate."""
    found, asked = config.settings(task, method), config.search.of(task)
    if asked.epochs is None:
        return found
    if asked.cut:
        return replace(found, stop_after=asked.epochs)
    return replace(found, epochs=asked.epochs)


def longer_settings(config: Config, settings: RunSettings) -> RunSettings:
    """The settings of a run of more epochs, all else as in `settings`."""
    return replace(settings.resolved(), epochs=settings.most_epochs * config.longer.factor)


def tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """With tuples for TOML's lists."""
    return {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
