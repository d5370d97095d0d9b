"""φ(i, j)'s part of a report."""

from __future__ import annotations

from collections.abc import Sequence

from ...show.findings import Finding
from ...show.part import VIEWS, PageFigure, Part, Switch
from . import QUESTION, figures, tables
from .result import RankGrids
from .words import details


def part(result: RankGrids, findings: Sequence[Finding], name: str) -> Part:
    """One grid, of which matrix and layer are chosen, and the corners of all."""
    frames = tuple(map(figures.thinned, result))
    matrices, layers = (
        tuple(dict.fromkeys(frame.views[0].chosen[key] for frame in frames))
        for key in ("matrix", "layer")
    )
    first = "ΔW (left)" if "ΔW (left)" in matrices else matrices[0]
    one, other = (
        ("W0", "ΔW") if result.between == "w0-delta" else ("the adapter", "the other adapter")
    )
    figure = PageFigure(
        name,
        "φ of the top i directions of the one and the top j of the other",
        "Heat map of φ(i, j) for one matrix and layer, both chosen above it. The corners of all of them "
        "are in the table below.",
        frames,
        f"j: directions of {other}",
        f"i: directions of {one}",
    )
    return Part(
        name=name,
        title=QUESTION.asks,
        sentences=[QUESTION.summary(result, findings), details(result)],
        figures=[figure],
        switches=[
            Switch("view", "Show", VIEWS, "phi"),
            Switch("matrix", "Matrix", tuple((m, m) for m in matrices), first, "select"),
            Switch("layer", "Layer", tuple((n, n) for n in layers), layers[0], "select"),
        ],
        stretch=True,
        details=[tables.corner_table(result)],
        legend=[
            "By chance: unrelated subspaces, max(i, j)/d. A and B are in the checkpoints' own gauge, which "
            "moves φ where i or j is below the rank; ΔW's vectors are free of it."
        ],
        notes=result.notes,
    )
