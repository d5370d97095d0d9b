"""What of an experiment is finished so far."""

from __future__ import annotations

from collections.abc import Sequence

from ...show.layout import NONE, Table, counted
from ..experiment.paper import TASK_NAMES
from .done import Steps

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


def finished_sentence(steps: Steps, unpaired: Sequence[str] = ()) -> str:
    """Whether all of it is done; else what is left. `unpaired` tasks cannot be compared by rows."""
    possible = [
        each for each in steps if not (each[0].kind == "pairs" and each[0].task in unpaired)
    ]
    left = [step for step, done in possible if not done]
    done = len(possible) - len(left)
    said = (
        f"{done} of {counted(len(possible), 'step')} are done; this page says what they show, and no more. "
        f"Next is: {left[0]}."
        if left
        else f"All {counted(len(possible), 'step')} are done."
    )
    if unpaired:
        named = ", ".join(TASK_NAMES[task] for task in unpaired)
        said += (
            f" A comparison by rows cannot be made of {named}: the runs' answers to every row were not kept, "
            "as they are now. So these tasks have no interval over the rows and no test of equivalence."
        )
    return said


def _of(steps: Steps, task: str, kind: str) -> str:
    found = [done for step, done in steps if (step.task, step.kind) == (task, kind)]
    return f"{sum(found)} of {len(found)}" if found else NONE
