"""Whether a step is done: the one answer that the pipeline goes by and that the page gives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..experiment.config import Config
from . import analysis, pairs
from .steps import Step, analysed_runs, plan, runs_of

Steps = Sequence[tuple[Step, bool]]


def is_done(config: Config, out: Path, step: Step) -> bool:
    """Whether its record is there, and, if it is of runs, of those that are there now: not of others that were in their place, or of fewer.

    A comparison was drawn as often, too, as the configuration says. An analysis hashes its adapters' weights.
    """
    if not step.written or step.kind not in ("pairs", "analysis"):
        return step.written
    if step.kind == "pairs":
        there = [run for run in runs_of(config, out, step.task) if run.written]
        return pairs.is_current(step.record, config, there)
    runs = analysed_runs(config, out, step.task, step.seed)
    return analysis.is_of(step.folder, {run.of_method: run.folder for run in runs})


def steps_done(config: Config, out: Path) -> Steps:
    """Every step of a configuration, in order, and whether it is done."""
    return tuple((step, is_done(config, out, step)) for step in plan(config, out))
