"""What an experiment's folder holds so far, as results."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import SettingsError
from ...files.run_names import RECORD
from ...training.record import read_record, read_run
from ..experiment.config import Config
from ..numbers.analysis_records import Record
from ..numbers.equivalence import Difference
from ..numbers.judged import Judged, judged
from ..numbers.learnt import least_learnt
from ..numbers.longer import LongerRun
from ..numbers.scores import TaskScores
from . import analysis, speed_record
from .asked import check_asked
from .done import Steps, steps_done
from .pairs import can_be_paired
from .scored import read_evaluation
from .steps import EVALUATION_NAME, PAGE_NAME, UNUSED_SCORE, plan, run_folder


@dataclass(frozen=True)
class Found:
    """What is done of an experiment.

    Attributes:
        steps: Every step of the configuration, and whether it is done.
        scores: Of every task that has a finished run.
        judged: Task to what its comparison by rows says of the pairs of methods, within the configuration's margin.
        unpaired: Tasks that are not compared by rows and cannot be: their runs are all there, but without their answers to every row.
        longer: Runs of more epochs beside the runs themselves.
        analyses: Task to seed to the record of its analysis.
        speed: Table 4's record, if it is there.
    """

    steps: Steps
    scores: list[TaskScores]
    judged: dict[str, list[Judged]]
    unpaired: tuple[str, ...]
    longer: list[LongerRun]
    analyses: dict[str, dict[int, Record]]
    speed: dict[str, Any] | None


def check_there(config: Config, out: Path) -> None:
    """Make sure that a folder is one of this experiment, before it is printed again.

    One that was printed before counts, and an empty one, of which the page says that nothing is there.

    Raises:
        SettingsError: No such folder, or one with other things in it, or with runs of another base model.
        RecordError: The record of a run there is broken.
    """
    if not out.is_dir():
        raise SettingsError(f"{out} is not there; give the folder of {config.name} by --out")
    begun = (out / PAGE_NAME).exists() or any(step.written for step in plan(config, out))
    if not begun and any(out.iterdir()):
        raise SettingsError(
            f"{out} holds no finished step of {config.name}; give its folder by --out"
        )
    for base in _bases(config, out):
        if base != config.base:
            raise SettingsError(
                f"{out} holds runs of {base}, and {config.name} is of {config.base}; give its folder by --out"
            )


def _bases(config: Config, out: Path) -> Iterator[str]:
    for step in plan(config, out):
        if step.kind in ("run", "longer") and (step.folder / RECORD).exists():
            said = read_run(step.folder).get("settings")
            if isinstance(said, dict) and "base" in said:
                yield said["base"]


def collect(config: Config, out: Path, *, from_records: bool = False) -> Found:
    """Read every record that is there; `from_records` opens no base to ask whether analyses are of its W0.

    Raises:
        SettingsError: One is of a step that was done otherwise than the configuration says, of which the page would say
            what the configuration does; or runs that are to be compared are of different files.
        RecordError: One is broken.
    """
    steps = steps_done(config, out, from_records=from_records)
    for step, done in steps:
        if done:
            check_asked(config, step, out)
    measured = (out / speed_record.RECORD_NAME).exists()
    if measured:
        speed_record.check(out, config)
    differences = row_differences(steps)
    return Found(
        steps=steps,
        scores=task_scores(steps),
        judged={
            task: [judged(one, config.equivalence.margin) for one in pairs]
            for task, pairs in differences.items()
        },
        unpaired=_unpaired(config, steps, differences),
        longer=longer_runs(steps, out),
        analyses=_analyses(steps),
        speed=speed_record.read_speed(out) if measured else None,
    )


def _unpaired(config: Config, steps: Steps, compared: Collection[str]) -> tuple[str, ...]:
    runs = {
        task: [(step, done) for step, done in steps if (step.task, step.kind) == (task, "run")]
        for task in config.tasks
    }
    return tuple(
        task
        for task, found in runs.items()
        if task not in compared
        and all(done for _, done in found)
        and not can_be_paired([step for step, _ in found])
    )


def _analyses(steps: Steps) -> dict[str, dict[int, Record]]:
    found: dict[str, dict[int, Record]] = {}
    for step, done in steps:
        if step.kind == "analysis" and done and step.seed is not None:
            found.setdefault(step.task, {})[step.seed] = analysis.read_analysis(step.folder)
    return found


@dataclass(frozen=True)
class Run:
    """A finished run: what it was scored, and how it was made.

    Attributes:
        folder: Where its records lie.
        method, seed: Which.
        evaluation: As ``evaluation.json`` has it.
        record: As ``run.json`` has it.
    """

    folder: Path
    method: str
    seed: int
    evaluation: dict[str, Any]
    record: dict[str, Any]


def task_scores(steps: Steps) -> list[TaskScores]:
    """The scores of every task that has a finished run, in the configuration's order."""
    found: dict[str, list[Run]] = {}
    for step, done in steps:
        if step.kind == "run" and done and step.method and step.seed is not None:
            found.setdefault(step.task, []).append(_read(step.folder, step.method, step.seed))
    for runs in found.values():
        _check_same_rows(runs)
    return [_of_task(task, runs) for task, runs in found.items()]


def _check_same_rows(runs: Sequence[Run]) -> None:
    """Means over seeds, and what more epochs gain, are of one training set; a file is another by its checksum.

    Raises:
        SettingsError: Two runs were trained on, or scored by, different files of one name.
    """
    had: dict[str, tuple[str, Run]] = {}
    for run in runs:
        for name, digest in run.record.get("data_sha256", {}).items():
            known, first = had.setdefault(name, (digest, run))
            if known != digest:
                raise SettingsError(
                    f"the runs {first.folder} and {run.folder} are of two different files {name}; their scores cannot "
                    "be taken together: make one of them anew in another --out"
                )


def longer_runs(steps: Steps, out: Path) -> list[LongerRun]:
    """Every finished run of more epochs beside the run that it is to be compared with."""
    found = []
    for step, done in steps:
        if step.kind == "longer" and done and step.method and step.seed is not None:
            folder = run_folder(out, step.task, step.method, step.seed)
            if (folder / EVALUATION_NAME).exists():
                short, longer = (
                    _read(each, step.method, step.seed) for each in (folder, step.folder)
                )
                _check_same_rows((short, longer))
                found.append(_longer(step.task, short, longer))
    return found


def row_differences(steps: Steps) -> dict[str, list[Difference]]:
    """Task to what its comparison by rows found."""
    found = {}
    for step, done in steps:
        if step.kind == "pairs" and done:
            record: Any = read_record(step.record)
            found[step.task] = [_difference(pair, record["rows"]) for pair in record["pairs"]]
    return found


def _difference(pair: dict[str, Any], rows: int) -> Difference:
    low, high = pair["interval"]
    return Difference(
        pair["one"],
        pair["other"],
        tuple(pair["seeds"]),
        tuple(pair["differences"]),
        rows,
        np.array(pair["covariance"]),
        (low, high),
    )


def _read(folder: Path, method: str, seed: int) -> Run:
    record = read_run(folder, "settings", "history", "development_score")
    return Run(folder, method, seed, read_evaluation(folder), record)


def _longer(task: str, short: Run, longer: Run) -> LongerRun:
    found = longer.evaluation
    least = least_learnt(task, found["metric"], float(found["majority_score"]), int(found["rows"]))
    epochs, last = (
        float(one)
        for one in (longer.record["settings"]["epochs"], longer.record["history"][-1]["epoch"])
    )
    return LongerRun(
        task=task,
        metric=found["metric"],
        method=short.method,
        seed=short.seed,
        epochs=float(short.record["settings"]["epochs"]),
        longer_epochs=epochs,
        development=float(short.record["development_score"]),
        longer_development=float(longer.record["development_score"]),
        test=float(short.evaluation["score"]),
        longer_test=float(found["score"]),
        learnt=float(found["score"]) > least,
        longer_ended=last if last < epochs else None,
        unused=_unused(short),
        longer_unused=_unused(longer),
    )


def _unused(run: Run) -> float | None:
    """What it scored on the rows that it set aside, where it did."""
    found = run.evaluation.get(UNUSED_SCORE)
    return None if found is None else float(found)


def _of_task(task: str, runs: list[Run]) -> TaskScores:
    scores: dict[str, dict[int, float]] = {}
    rates: dict[str, float] = {}
    curves: dict[str, dict[int, list[tuple[float, float]]]] = {}
    parameters: dict[str, int] = {}
    for run in runs:
        scores.setdefault(run.method, {})[run.seed] = float(run.evaluation["score"])
        rates[run.method] = float(run.record["settings"]["learning_rate"])
        if (count := run.record.get("trainable_parameters")) is not None:
            parameters[run.method] = int(count)
        curves.setdefault(run.method, {})[run.seed] = [
            (float(at["epoch"]), float(at["development_score"])) for at in run.record["history"]
        ]
    first = runs[0].evaluation
    majority, rows = float(first["majority_score"]), int(first["rows"])
    return TaskScores(task, first["metric"], majority, scores, rates, curves, rows, parameters)
