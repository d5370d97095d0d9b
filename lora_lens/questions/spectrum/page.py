"""The spectrum's part of a report."""

from __future__ import annotations

from collections.abc import Sequence

from ...show.findings import Finding
from ...show.layout import Table
from ...show.part import PageFigure, Part, Switch
from . import QUESTION, figures, tables
from .result import Spectrum
from .suggestion_tables import suggestion_table
from .words import details, intruder_sentence, named, random_of


def part(result: Spectrum, findings: Sequence[Finding], name: str) -> Part:
    """Singular values and ranks by layer. It describes, and tests nothing."""
    layers, name_of = result.layers, named(result)
    plots = [
        PageFigure(
            f"{name}-s",
            f"Singular values of {name_of}, a row a layer",
            f"Heat map of the singular values of {name_of}, a row a layer; the largest is "
            f"{figures.largest(layers):.3g}. Norms and ranks are in the table below.",
            (figures.singular_heat(layers),),
            "k",
            "layer",
        ),
        PageFigure(
            f"{name}-r",
            f"Ranks of {name_of} by layer",
            f"Rank, effective ranks and stable rank of {name_of} by layer. The numbers are in the table below.",
            figures.rank_panel(layers),
        ),
    ]
    beside = [one for one in layers if one.beside_w0]
    if beside:
        plots.append(
            PageFigure(
                f"{name}-w",
                "Norms of ΔW relative to W0's",
                "Frobenius and spectral norm of ΔW over those of W0, by layer. The numbers are in the "
                "tables below.",
                figures.norm_panel(layers),
            )
        )
    views = (("value", "singular value"), ("energy", "share of energy"))
    return Part(
        name=name,
        title=QUESTION.asks,
        sentences=[QUESTION.summary(result, findings), *details(result), *_of_w0(result)],
        figures=plots,
        switches=[Switch("view", "Show", views, "value")],
        tables=[_without_module(tables.spectrum_table(result))]
        + ([tables.intruder_totals(result)] if beside else []),
        details=[
            *([_without_module(tables.beside_table(result))] if beside else []),
            *([_without_module(tables.intruder_table(result))] if beside else []),
            *([suggestion_table(result.suggestion)] if result.suggestion.layers else []),
        ],
        legend=[_legend(result), *([_INTRUDERS] if beside else [])],
        notes=result.notes,
    )


def _of_w0(result: Spectrum) -> list[str]:
    """Intruder dimensions where W0 is at hand, and the ranks suggested, where any are."""
    suggestion = result.suggestion
    pattern = f" {_PATTERN}" if suggestion.snippet() else ""
    ranks = [f"{suggestion.summary}.{pattern}"] if suggestion.layers else []
    return [*intruder_sentence(result), *ranks]


_PATTERN = "`lora-lens spectrum` prints them as PEFT's rank_pattern."
_INTRUDERS = (
    "Intruder dimensions: leading left singular vectors of W0 + ΔW whose largest |cosine| with any of W0's "
    "is below ε. Any ΔW that is large beside W0 makes some; in brackets those of random ΔW with the same "
    "singular values."
)


def _legend(result: Spectrum) -> str:
    return (
        f"Stable rank: ‖·‖_F²/‖·‖_2². Effective rank: exp of the entropy of s/Σs, or of s²/Σs². 90, "
        f"95, 99 %: fewest directions with that share of the energy Σs². Above random: singular values "
        f"larger than those of {random_of(result)}. None of it depends on the gauge; it describes, and "
        f"tests nothing."
    )


def _without_module(table: Table) -> Table:
    """The heading above the table says it."""
    return table._replace(head=table.head[1:], rows=[row[1:] for row in table.rows])
