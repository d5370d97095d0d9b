"""What of an experiment is finished so far."""

from __future__ import annotations

from ....show.layout import NONE, Table
from ...experiment.paper import TASK_NAMES
from ...runs.done import Steps

_KINDS = {
    "search": "searches",
    "run": "runs",
    "pairs": "comparison by rows",
    "longer": "runs of more epochs",
    "analysis": "analyses",
}


def finished_table(steps: Steps) -> Table:
    """A row a task, a column a kind of step: how many are done, of how many."""
    kinds = [kind for kind in _KINDS if any(step.kind == kind for step, _ in steps)]
    tasks = dict.fromkeys(step.task for step, _ in steps)
    return Table(
        "What is finished: steps done, of those that the configuration has",
        ["task", *(_KINDS[kind] for kind in kinds)],
        [[TASK_NAMES[task], *(_of(steps, task, kind) for kind in kinds)] for task in tasks],
    )


def _of(steps: Steps, task: str, kind: str) -> str:
    found = [done for step, done in steps if (step.task, step.kind) == (task, kind)]
    return f"{sum(found)} of {len(found)}" if found else NONE
