"""What an experiment's folder holds so far, as results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import AdapterError
from ..files.locate import read_json
from ..training.record import RECORD_NAME
from .config import Config
from .pipeline import EVALUATION_NAME, plan
from .scores import TaskScores


def task_scores(config: Config, out: Path) -> list[TaskScores]:
    """The scores of every task that has a finished run, in the configuration's order."""
    found: dict[str, list[tuple[str, int, dict[str, Any], dict[str, Any]]]] = {}
    for step in plan(config, out):
        if step.kind == "run" and step.done and step.method and step.seed is not None:
            evaluation = read_json(step.folder / EVALUATION_NAME, AdapterError)
            run = read_json(step.folder / RECORD_NAME, AdapterError)
            found.setdefault(step.task, []).append((step.method, step.seed, evaluation, run))
    return [_of_task(task, runs) for task, runs in found.items()]


def _of_task(task: str, runs: list[tuple[str, int, dict[str, Any], dict[str, Any]]]) -> TaskScores:
    scores: dict[str, dict[int, float]] = {}
    rates: dict[str, float] = {}
    curves: dict[str, dict[int, list[tuple[float, float]]]] = {}
    for method, seed, evaluation, run in runs:
        scores.setdefault(method, {})[seed] = float(evaluation["score"])
        rates[method] = float(run["settings"]["learning_rate"])
        curves.setdefault(method, {})[seed] = [
            (float(at["epoch"]), float(at["development_score"])) for at in run["history"]
        ]
    first = runs[0][2]
    return TaskScores(task, first["metric"], float(first["majority_score"]), scores, rates, curves)
