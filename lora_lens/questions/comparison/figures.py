"""φ of two adapters by layer, described: Table 3 as a figure."""

from __future__ import annotations

import numpy as np

from ...show.figure import Axis, Bars, Block, Line, Mark, Panel, Sheet, named, positions
from ...show.layout import LABELS
from .result import ComparisonResult
from .words import distinct

_DASHES = ("solid", "dash", "dot")
_MARKERS = ("circle", "square", "up")


def figures(result: ComparisonResult) -> dict[str, Sheet]:
    """Every figure, by what follows the files' stem."""
    return {"": comparison_sheet(result)}


def layer_panel(result: ComparisonResult) -> Panel:
    """φ of A, B and ΔW by layer (ΔW's once where it is B's), and what unrelated subspaces give."""
    x, shown = positions(result.layers), distinct(result)
    baseline = next(iter(result.values())).baseline
    mean, spread = (
        np.broadcast_to(np.asarray(number, dtype=np.float64), x.shape)
        for number in (baseline.mean, 2 * baseline.sd)
    )
    marks: list[Mark] = [
        Bars(
            x, mean - spread, mean + spread, mean, "unrelated subspaces, ± 2 sd", "grey", width=0.7
        )
    ]
    for k, (matrix, series) in enumerate(shown.items()):
        name = LABELS[matrix]
        if matrix == "B" and "delta" not in shown and "delta" in result:
            name = f"{name} and {LABELS['delta']}"
        label = f"{name} ({series.side})"
        marks.append(
            Line(x, series.values, label, k, _DASHES[k % 3], _MARKERS[k % 3])  # type: ignore[arg-type]
        )
    return Panel(
        title=f"Two adapters, {result.module}, i = {result.i}, j = {result.j}",
        x=named("layer", result.layers),
        y=Axis("φ", low=0),
        marks=tuple(marks),
        legend="below",
    )


def comparison_sheet(result: ComparisonResult) -> Sheet:
    """`layer_panel` as a figure of its own."""
    size = (min(10.0, max(5.0, 0.3 * len(result.layers) + 2)), 3.6)
    return Sheet((Block([[layer_panel(result)]]),), size)
