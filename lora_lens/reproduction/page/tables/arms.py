"""Scores of arms: what each trains, and what it scored on each task."""

from __future__ import annotations

from collections.abc import Sequence

from ....labelled import Row, plain
from ....show.layout import NONE, Table, beside
from ...experiment.config import Config
from ...experiment.paper import TASK_NAMES
from ...numbers.scores import TaskScores


def arms_table(config: Config, tasks: Sequence[TaskScores]) -> Table:
    """A row an arm and a column a task: mean ± sd over the seeds, in percent, of the runs that have learnt the task."""
    rows = [
        [arm, *_made(config, arm), _parameters(tasks, arm), *(_score(one, arm) for one in tasks)]
        for arm in config.arms
    ]
    constant = [
        "constant answer",
        NONE,
        NONE,
        NONE,
        NONE,
        *(f"{100 * one.majority:.1f}" for one in tasks),
    ]
    return Table(
        f"Arms on {config.base}: test scores in percent, mean ± sd over the seeds that have learnt the task; parameters beside the head",
        ["arm", "method", "made of", "r", "parameters", *(TASK_NAMES[one.task] for one in tasks)],
        [*rows, constant],
    )


def arm_rows(config: Config, tasks: Sequence[TaskScores]) -> list[Row]:
    """One row an arm, task and seed."""
    return [
        row
        | {
            "parameters": one.parameters.get(str(row["method"])),
            "sd": plain(one.sd(str(row["method"]))),
        }
        for one in tasks
        for row in one.rows()
        if row["method"] in config.arms
    ]


def _made(config: Config, arm: str) -> list[str]:
    settings = config.settings(next(iter(config.tasks)), arm)
    if settings.method == "head-alone":
        return [settings.method, NONE, NONE]
    made = f"{settings.source}, {settings.convention}" if settings.method == "condlora" else NONE
    return [settings.method, made, str(settings.rank)]


def _parameters(tasks: Sequence[TaskScores], arm: str) -> str:
    counts = {one.parameters[arm] for one in tasks if arm in one.parameters}
    return " or ".join(f"{count:,}" for count in sorted(counts)) or NONE


def _score(task: TaskScores, arm: str) -> str:
    learnt, all_of = task.learnt(arm), task.scores.get(arm, {})
    if not all_of:
        return NONE
    of = f" ({len(learnt)} of {len(all_of)} seeds)" if len(learnt) < len(all_of) else ""
    return (beside(100 * task.mean(arm), 100 * task.sd(arm), 1) if learnt else "not learnt") + of
