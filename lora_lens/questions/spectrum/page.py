"""The spectrum's part of a report."""

from __future__ import annotations

from collections.abc import Sequence

from ...show.findings import Finding
from ...show.layout import Table
from ...show.part import PageFigure, Part, Switch
from . import QUESTION, figures, tables
from .result import Spectrum
from .words import details


def part(result: Spectrum, findings: Sequence[Finding], name: str) -> Part:
    """Singular values and ranks by layer. It describes, and tests nothing."""
    layers = result.layers
    plots = [
        PageFigure(
            f"{name}-s",
            "Singular values of ΔW, a row a layer",
            f"Heat map of ΔW's singular values, a row a layer; the largest is "
            f"{figures.largest(layers):.3g}. Norms and ranks are in the table below.",
            (figures.singular_heat(layers),),
            "k",
            "layer",
        ),
        PageFigure(
            f"{name}-r",
            "Ranks of ΔW by layer",
            "Rank, effective ranks and stable rank of ΔW by layer. The numbers are in the table below.",
            figures.rank_panel(layers),
        ),
    ]
    views = (("value", "singular value"), ("energy", "share of energy"))
    return Part(
        name=name,
        title=QUESTION.asks,
        sentences=[QUESTION.summary(result, findings), *details(result)],
        figures=plots,
        switches=[Switch("view", "Show", views, "value")],
        tables=[_without_module(tables.spectrum_table(result))],
        legend=[
            "Stable rank: ‖ΔW‖_F²/‖ΔW‖_2². Effective rank: exp of the entropy of s/Σs, or of s²/Σs². 90, "
            "95, 99 %: fewest directions with that share of the energy Σs². Above random: singular values "
            "larger than a random product of this rank, size and norm has. None of it depends on the "
            "gauge; it describes, and tests nothing."
        ],
        notes=result.notes,
    )


def _without_module(table: Table) -> Table:
    """The heading above the table says it."""
    return table._replace(head=table.head[1:], rows=[row[1:] for row in table.rows])
