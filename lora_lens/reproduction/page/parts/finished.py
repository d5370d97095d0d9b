"""The page's part about what of the experiment is finished so far."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ....several import counted
from ...experiment.paper import TASK_NAMES
from ...runs.collect import Found
from ...runs.done import Steps
from ..sheet import shown
from ..tables.finished import finished_table


def finished_part(found: Found) -> Iterator[str]:
    """Whether all of it is done, and how much of what."""
    yield _said(found.steps, found.unpaired)
    yield shown(finished_table(found.steps))


def _said(steps: Steps, unpaired: Sequence[str]) -> str:
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
