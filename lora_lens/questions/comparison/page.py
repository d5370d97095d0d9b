"""The comparison's part of a report."""

from __future__ import annotations

from collections.abc import Sequence

from ...show.against_chance import columns_legend
from ...show.findings import Finding
from ...show.layout import Table, number, p_value, sided
from ...show.part import PageFigure, Part
from . import QUESTION, figures, tables
from .result import ComparisonResult
from .words import distinct

_CHANCE = (
    "Mean φ over the layers; by chance: both adapters as they lie on W0's own singular directions, with random "
    "signs there (flipped; the verdict comes from it), unrelated subspaces (gaussian), and one adapter's layers "
    "against other layers of the other (mismatched)."
)


def part(result: ComparisonResult, findings: Sequence[Finding], name: str) -> Part:
    """φ by layer beside the null that the verdict comes from, and the tables behind it."""
    # A panel each: on a page bars of two nulls would lie on each other.
    shown = [
        PageFigure(
            f"{name}-{matrix}",
            f"φ of {figures.labelled(matrix, result)} between the two adapters by layer, i = {result.i}, j = {result.j}",
            f"φ of {figures.labelled(matrix, result)} between the two adapters by layer: {one.mean:.3f} on average. The "
            f"numbers are in the tables below.",
            figures.layer_panel(result, matrix),
        )
        for matrix, one in distinct(result).items()
    ]
    return Part(
        name=name,
        title=QUESTION.asks,
        sentences=[QUESTION.summary(result, findings)],
        figures=shown,
        tables=[tables.chance_table(result), series_table(result)],
        details=[tables.layer_table(result)],
        legend=[columns_legend("layers", two_sided=True)],
        chance=_CHANCE,
        notes=result.notes,
    )


def series_table(result: ComparisonResult) -> Table:
    """φ between two adapters, a row a layer, with each one's p: as long as there are layers, never wide."""
    labels = {matrix: sided(matrix, one.side) for matrix, one in result.items()}
    head = ["layer", *(head for label in labels.values() for head in (label, "p", "p (BH)"))]
    null = "flipped" if all("flipped" in one.tests for one in result.values()) else "gaussian"
    tests = {matrix: one.tests[null] for matrix, one in result.items()}
    rows = [
        [
            str(layer),
            *(
                cell
                for matrix, one in result.items()
                for cell in (
                    number(one.values[k]),
                    p_value(tests[matrix].p[k]),
                    p_value(tests[matrix].p_bh[k]),
                )
            ),
        ]
        for k, layer in enumerate(result.layers)
    ]
    return Table(
        f"φ between the two adapters by layer, against {tables.NULLS[null]}; p: upper tail",
        head,
        rows,
    )
