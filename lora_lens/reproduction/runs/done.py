"""Whether a step is done: the one answer that the pipeline goes by and that the page gives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...staging import end_begun
from ..experiment.config import Config
from . import analysis, pairs
from .steps import Step, analysed_runs, plan, runs_of

Steps = Sequence[tuple[Step, bool]]


def is_there(step: Step) -> bool:
    """Whether its record is there, when what a killed process was moving to its folder has been moved."""
    end_begun(step.folder)
    return step.written


def why_anew(config: Config, out: Path, step: Step, *, from_records: bool = False) -> str | None:
    """Why the record of a step is not of the runs that are there now, but of others that were in their place, or of fewer; None where it is.

    A comparison was drawn as often, too, as the configuration says. An analysis hashes its adapters' weights, and the
    base's, which `from_records` does not open.
    """
    if step.kind == "pairs":
        there = [run for run in runs_of(config, out, step.task) if run.written]
        current = pairs.is_current(step.record, config, there)
        return None if current else "it is of other scores, or of another number of draws"
    if step.kind == "analysis":
        runs = analysed_runs(config, out, step.task, step.seed)
        folders: dict[str, Path] = {run.of_method: run.folder for run in runs}
        return analysis.why_anew(step.folder, folders, None if from_records else config.base)
    return None


def steps_done(config: Config, out: Path, *, from_records: bool = False) -> Steps:
    """Every step of a configuration, in order, and whether it is done; `from_records` as in `why_anew`."""
    return tuple(
        (step, is_there(step) and why_anew(config, out, step, from_records=from_records) is None)
        for step in plan(config, out)
    )
