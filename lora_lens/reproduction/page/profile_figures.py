"""Table 3 as a figure, described: φ between LoRA and CondLoRA over the layers, beside the paper's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...labelled import Array
from ...several import counted
from ...show.figure import Axis, Band, Block, Line, Mark, Panel, Sheet, named, positions, round_top
from ...show.layout import LABELS
from ...show.wording import same_phi
from ..experiment.paper import TABLE_3, TASK_NAMES, VALUE_MODULES
from ..numbers.analysis_records import Analyses, answers
from ..numbers.table3 import profile
from .figures import MARKERS

_PANEL, _AROUND, _HEIGHT = 2.5, 0.7, 3.0  # inches


def profile_panel(analyses: Analyses, module: str, matrix: str, high: float = 1.0) -> Panel:
    """φ by layer: a line a task, the mean over its seeds, the paper's dashed; grey what unrelated subspaces have.

    The band is the mean ± 2 sd of a layer's mean over as many seeds as the task with the fewest has.
    """
    found = next(answers(analyses, module, "comparison")).found
    chance = found["matrices"][matrix]["baseline"]
    x = positions(found["layers"])
    sd = chance["sd"] / math.sqrt(min(map(len, analyses.values())))
    low, top = (np.full(len(x), chance["mean"] + k * sd) for k in (-2, 2))
    marks: list[Mark] = [
        Line(
            x,
            profile(seeds, module, matrix),
            TASK_NAMES.get(task, task),
            k,
            marker=MARKERS[k % len(MARKERS)],
            width=1.2,
        )
        for k, (task, seeds) in enumerate(analyses.items())
    ]
    marks.append(Band(x, low, top, "unrelated", "grey"))
    if (papers := _papers(module, matrix, len(x))) is not None:
        marks.append(Line(x, papers, "paper", "black", "dash", width=1.2))
    return Panel(
        LABELS[matrix],
        named("layer", found["layers"]),
        Axis(f"φ(LoRA, CondLoRA), {module}", low=0, high=high),
        tuple(marks),
    )


def profile_sheet(analyses: Analyses, module: str) -> Sheet:
    """`profile_panel` of A, B and ΔW side by side, on one scale; B's stands for ΔW where all of their lines are the same."""
    matrices = _distinct(analyses, module)
    panels = [profile_panel(analyses, module, matrix) for matrix in matrices]
    high = round_top(1.05 * max(_top(one) for panel in panels for one in panel.marks))
    row = [profile_panel(analyses, module, matrix, high) for matrix in matrices]
    if "delta" not in matrices:
        row[-1] = replace(row[-1], title=f"{LABELS['B']} and {LABELS['delta']}")
    size = (_AROUND + _PANEL * len(row), _HEIGHT)
    return Sheet((Block([row], joined=True),), size, note=_note(analyses), legend="below")


def _distinct(analyses: Analyses, module: str) -> Sequence[str]:
    """Table 3's matrices, without ΔW where it has B's φ."""
    layers = len(next(answers(analyses, module, "comparison")).found["layers"])
    b, delta = _papers(module, "B", layers), _papers(module, "delta", layers)
    alike = (b is None or delta is None or same_phi(b, delta)) and all(
        same_phi(profile(seeds, module, "B"), profile(seeds, module, "delta"))
        for seeds in analyses.values()
    )
    return [matrix for matrix in TABLE_3 if not (alike and matrix == "delta")]


def _papers(module: str, matrix: str, layers: int) -> Array | None:
    """The paper's φ by layer, where it has this module's and as many layers."""
    found = TABLE_3[matrix] if module in VALUE_MODULES else ()
    return np.array(found) if len(found) == layers else None


def _note(analyses: Analyses) -> str:
    """What lines and band are."""
    seeds = sorted(map(len, analyses.values()))
    of = f"{seeds[0]} to {seeds[-1]} seeds" if seeds[0] < seeds[-1] else counted(seeds[0], "seed")
    return f"Lines: mean of {of}. Unrelated subspaces: mean of {counted(seeds[0], 'seed')} ± 2 sd."


def _top(mark: Mark) -> float:
    """The highest of what it marks."""
    values = mark.high if isinstance(mark, Band) else mark.y if isinstance(mark, Line) else 0.0
    return float(np.max(values))
