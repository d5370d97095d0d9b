"""Table 3 as a figure, described: φ between LoRA and CondLoRA over the layers, beside the paper's."""

from __future__ import annotations

import numpy as np

from ...show.figure import Axis, Band, Block, Line, Mark, Panel, Sheet, named, positions, round_top
from ...show.layout import LABELS
from ..experiment.paper import TABLE_3, TASK_NAMES, VALUE_MODULES
from ..numbers.analysis_records import Analyses, answers
from ..numbers.table3 import profile


def profile_panel(analyses: Analyses, module: str, matrix: str, high: float = 1.0) -> Panel:
    """φ by layer: a line a task, the paper's dashed, unrelated subspaces' mean ± 2 sd of a layer grey."""
    found = next(answers(analyses, module, "comparison")).found
    chance = found["matrices"][matrix]["baseline"]
    x = positions(found["layers"])
    low, top = (np.full(len(x), chance["mean"] + k * chance["sd"]) for k in (-2, 2))
    marks: list[Mark] = [
        Line(
            x,
            profile(seeds, module, matrix),
            TASK_NAMES.get(task, task),
            k,
            marker="circle",
            width=1.2,
        )
        for k, (task, seeds) in enumerate(analyses.items())
    ]
    marks.append(Band(x, low, top, "unrelated", "grey"))
    papers = TABLE_3[matrix] if module in VALUE_MODULES else ()
    if len(papers) == len(x):
        marks.append(Line(x, np.array(papers), "paper", "black", "dash", width=1.2))
    return Panel(
        LABELS[matrix],
        named("layer", found["layers"]),
        Axis(f"φ(LoRA, CondLoRA), {module}", low=0, high=high),
        tuple(marks),
    )


def profile_sheet(analyses: Analyses, module: str) -> Sheet:
    """`profile_panel` of A, B and ΔW side by side, on one scale."""
    panels = [profile_panel(analyses, module, matrix) for matrix in TABLE_3]
    high = round_top(1.05 * max(_top(one) for panel in panels for one in panel.marks))
    row = [profile_panel(analyses, module, matrix, high) for matrix in TABLE_3]
    return Sheet((Block([row], joined=True),), (8.2, 3.0), legend="below")


def _top(mark: Mark) -> float:
    """The highest of what it marks."""
    values = mark.high if isinstance(mark, Band) else mark.y if isinstance(mark, Line) else 0.0
    return float(np.max(values))
