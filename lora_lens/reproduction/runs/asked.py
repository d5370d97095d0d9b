"""Whether what is done of an experiment was done as its configuration says now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...errors import SettingsError
from ...files.run_names import SEARCH
from ...training.as_asked import deciding, first_difference
from ...training.record import read_record, read_run
from ...training.settings import RunSettings
from ..experiment.config import Config, longer_settings, search_settings
from . import analysis
from .steps import Step, search_folder

_PRUNE = "search.prune"


def best_learning_rate(task: str, method: str, out: Path) -> float:
    """What the search of a task and method found.

    Raises:
        RecordError: The search is not done.
    """
    best: Any = read_record(search_folder(out, task, method) / SEARCH, "best")["best"]
    return float(best["learning_rate"])


def asked_settings(config: Config, step: Step, out: Path) -> RunSettings:
    """Of a run, at the rate that its search found.

    Raises:
        RecordError: The search is not done.
    """
    searched = config.is_searched(step.task, step.of_method)
    rate = best_learning_rate(step.task, step.of_method, out) if searched else None
    return _of_run(config, step, rate)


def check_asked(config: Config, step: Step, out: Path) -> None:
    """Nothing, where a step that is done was done as the configuration says.

    Raises:
        SettingsError: It was done otherwise; names the setting.
        RecordError: A record is broken.
    """
    if step.kind == "pairs":
        return
    if step.kind == "analysis":
        analysis.check(step.folder, config.analysis)
        return
    if step.kind == "search":
        made, asked = (
            _searched(read_record(step.record, "settings", "trials")),
            _search(config, step),
        )
        # Of the searches that were begun before this was written down it is not known.
        made = {_PRUNE: asked[_PRUNE]} | made
    else:
        record = read_run(step.folder, "settings")
        made = deciding(record["settings"])
        asked = deciding(asdict(_of_done_run(config, step, out, record)))
    if other := first_difference(made, asked):
        raise SettingsError(
            f"{step.folder} was made with {other.name} = {other.made!r}, the configuration says "
            f"{other.asked!r}; choose another --out, or put the setting back"
        )


def _of_done_run(config: Config, step: Step, out: Path, record: dict[str, Any]) -> RunSettings:
    """Where its search is not there, as in a folder of some of the records, its rate is its own."""
    if (search_folder(out, step.task, step.of_method) / SEARCH).exists():
        return asked_settings(config, step, out)
    return _of_run(config, step, record["settings"]["learning_rate"])


def _of_run(config: Config, step: Step, rate: float | None) -> RunSettings:
    found = config.settings(
        step.task, step.of_method, seed=step.seed or 0, learning_rate=rate
    ).resolved()
    return longer_settings(config, found) if step.kind == "longer" else found


def _searched(record: dict[str, Any]) -> dict[str, Any]:
    """The settings of a search that is done: its runs', seeds, number of trials, interval, sampler and pruning."""
    run, space = record["settings"]["run"], dict(record["settings"]["space"])
    seeds = space.pop("seeds", [run["seed"]])
    ended = [trial for trial in record["trials"] if trial["state"] != "interrupted"]
    return {**deciding(run), **_of_space(space), "seeds": seeds, "trials": len(ended)}


def _search(config: Config, step: Step) -> dict[str, Any]:
    """The same of a search that the configuration asks for."""
    asked = config.search.of(step.task)
    return {
        **deciding(asdict(search_settings(config, step.task, step.of_method))),
        **_of_space(asdict(asked.space) | {"sampler": asked.sampler, "prune": asked.prune}),
        "seeds": asked.seeds or (0,),
        "trials": asked.trials,
    }


def _of_space(values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"search.{name}": value for name, value in values.items()}
