"""Whether what is done of an experiment was done as its configuration says now."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...errors import SettingsError
from ...files.json_files import read_json
from ...training.record import RECORD_NAME, SEARCH_NAME
from ...training.settings import RunSettings
from ..experiment.config import Config, longer_settings, search_settings
from . import analysis
from .steps import Step, search_folder


def best_learning_rate(task: str, method: str, out: Path) -> float:
    """What the search of a task and method found.

    Raises:
        SettingsError: The search is not done.
    """
    record = search_folder(out, task, method) / SEARCH_NAME
    best: Any = read_json(record, SettingsError)["best"]
    return float(best["learning_rate"])


def asked_settings(config: Config, step: Step, out: Path) -> RunSettings:
    """Of a run, at the rate that its search found.

    Raises:
        SettingsError: The search is not done.
    """
    searched = config.is_searched(step.task, step.of_method)
    rate = best_learning_rate(step.task, step.of_method, out) if searched else None
    return _of_run(config, step, rate)


def check_asked(config: Config, step: Step, out: Path) -> None:
    """Nothing, where a step that is done was done as the configuration says; older records do not have every setting.

    Raises:
        SettingsError: It was done otherwise; names the setting.
    """
    if step.kind == "pairs":
        return
    if step.kind == "analysis":
        analysis.check(step.folder, config.analysis)
        return
    if step.kind == "search":
        record: Any = read_json(step.folder / SEARCH_NAME, SettingsError)
        done, asked = (
            _searched(record),
            asdict(search_settings(config, step.task, step.of_method)) | _search(config, step.task),
        )
    else:
        record = read_json(step.folder / RECORD_NAME, SettingsError)
        done, asked = record["settings"], asdict(_of_done_run(config, step, out, record))
    for key, value in json.loads(json.dumps(asked)).items():
        # Where the data lie does not decide the result; their checksums are in the record.
        if key != "data" and done.get(key, value) != value:
            raise SettingsError(
                f"{step.folder} was made with {key} = {done[key]!r}, the configuration says "
                f"{value!r}; choose another --out, or put the setting back"
            )


def _of_done_run(config: Config, step: Step, out: Path, record: dict[str, Any]) -> RunSettings:
    """Where its search is not there, as in a folder of some of the records, its rate is its own."""
    if (search_folder(out, step.task, step.of_method) / SEARCH_NAME).exists():
        return asked_settings(config, step, out)
    return _of_run(config, step, record["settings"]["learning_rate"])


def _of_run(config: Config, step: Step, rate: float | None) -> RunSettings:
    found = config.settings(
        step.task, step.of_method, seed=step.seed or 0, learning_rate=rate
    ).resolved()
    return longer_settings(config, found) if step.kind == "longer" else found


def _searched(record: dict[str, Any]) -> dict[str, Any]:
    """The settings of a search that is done: its runs', seeds, number of trials, interval, sampler and pruning."""
    run = record["settings"]["run"]
    seeds = record["settings"]["space"].get("seeds", [run["seed"]])
    ended = [trial for trial in record["trials"] if trial["state"] != "interrupted"]
    space = {f"search.{name}": value for name, value in record["settings"]["space"].items()}
    return {**run, **space, "seeds": seeds, "trials": len(ended)}


def _search(config: Config, task: str) -> dict[str, Any]:
    """Of a search that the configuration asks for: seeds, number of trials, interval, sampler and pruning."""
    asked = config.search.of(task)
    return {
        "seeds": asked.seeds or (0,),
        "trials": asked.trials,
        "search.learning_rate": asked.learning_rate,
        "search.sampler": asked.sampler,
        "search.prune": asked.prune,
    }
