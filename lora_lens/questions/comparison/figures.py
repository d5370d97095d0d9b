"""φ of two adapters by layer, described: Table 3 as a figure."""

from __future__ import annotations

import numpy as np

from ...show.figure import (
    Axis,
    Bars,
    Block,
    Level,
    Line,
    Mark,
    Panel,
    Sheet,
    named,
    positions,
)
from ...show.layout import LABELS, dimensions
from ...show.whose import whose
from ...show.wording import ENOUGH
from .result import ComparisonResult
from .words import distinct

_DASHES = ("solid", "dash", "dot")
_ALONE = f"Beside unrelated subspaces alone: to be above them {ENOUGH}."
_MARKERS = ("circle", "square", "up")


def figures(result: ComparisonResult) -> dict[str, Sheet]:
    """Every figure, by what follows the files' stem."""
    return {"": comparison_sheet(result)}


def layer_panel(result: ComparisonResult, matrix: str | None = None) -> Panel:
    """φ of A, B and ΔW by layer (ΔW's once where it is B's), beside the null that the verdict comes from.

    That is the flipped one of each matrix where W0 was read, with the mean of unrelated subspaces as a line;
    else these alone.

    Args:
        result: Of both adapters.
        matrix: The one to show; by default all.
    """
    every = list(distinct(result))
    shown = every if matrix is None else [matrix]
    x, unrelated = positions(result.layers), next(iter(result.values())).baseline
    flipped = all("flipped" in result[name].baselines for name in shown)
    width = 0.8 / len(shown) if flipped else 0.0
    bars: list[Mark] = []
    lines: list[Mark] = []
    if flipped:
        bars.append(Level(float(np.mean(unrelated.mean)), "unrelated subspaces", "grey", "dash"))
    else:
        label = "unrelated subspaces, ± 2 sd"
        bars.append(Bars.around(x, unrelated.mean, unrelated.sd, label, "grey", 0.7))
    for place, name in enumerate(shown):
        k, at = every.index(name), x + width * (place - (len(shown) - 1) / 2)
        if flipped:
            null, label = result[name].baselines["flipped"], f"{LABELS[name]} flipped, ± 2 sd"
            bars.append(Bars.around(at, null.mean, null.sd, label, k, 0.9 * width))
        label = f"{labelled(name, result)} ({result[name].side} singular vectors)"
        lines.append(Line(at, result[name].values, label, k, _DASHES[k % 3], _MARKERS[k % 3]))  # type: ignore[arg-type]
    return Panel(
        title=f"φ between two adapters, {result.module}, {dimensions(result.i, result.j)}",
        x=named("layer", result.layers),
        y=Axis("φ", low=0),
        marks=(*bars, *lines),
        legend="below",
    )


def labelled(matrix: str, result: ComparisonResult) -> str:
    """What a matrix's φ are called; B's are those of ΔW too where both are the same."""
    both = matrix == "B" and "delta" not in distinct(result) and "delta" in result
    return f"{LABELS[matrix]} and {LABELS['delta']}" if both else LABELS[matrix]


def comparison_sheet(result: ComparisonResult) -> Sheet:
    """`layer_panel` as a figure of its own, which says whose it is, and so where it has unrelated subspaces alone."""
    flipped = all("flipped" in one.baselines for one in distinct(result).values())
    size = (min(10.0, max(5.0, 0.3 * len(result.layers) + 2)), 3.8 if flipped else 4.1)
    note = whose({"one": result.one, "other": result.other}, result.base)
    return Sheet(
        (Block([[layer_panel(result)]]),), size, note=note if flipped else f"{_ALONE}\n{note}"
    )
