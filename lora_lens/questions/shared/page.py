"""The shared layer's part of a report."""

from __future__ import annotations

from collections.abc import Sequence

from ...show.findings import Finding
from ...show.layout import LABELS
from ...show.part import PageFigure, Part, sentence
from . import QUESTION, figures, tables
from .result import SharedResult, SharedSubspace
from .words import details

_CHANCE = (
    "Mean share of the layers' subspaces that the best single layer captures, and of a layer that was "
    "left out of its fit; by chance: of random factors through the same W0 (the propagated null)."
)


def part(result: SharedResult, findings: Sequence[Finding], name: str) -> Part:
    """Shares by layer beside chance, and the tables behind them."""
    said = [QUESTION.summary(result, findings)]
    if len(result.layers) == 1:
        return Part(name, QUESTION.asks, said)
    null = list(next(iter(result.values())).nulls)[-1]
    return Part(
        name=name,
        title=QUESTION.asks,
        sentences=[*said, *details(result)],
        figures=[
            PageFigure(
                f"{name}-{matrix}",
                f"{LABELS[matrix]}: share of each layer's subspace",
                _alt(one),
                figures.layer_panel(one),
            )
            for matrix, one in result.items()
        ],
        tables=[tables.chance_table(result)],
        details=[tables.layer_table(one) for one in result.values()],
        legend=[
            *map(sentence, tables.legend(result)),
            f"Bars in the figures: the {null} null's mean ± 2 sd, layer by layer.",
        ],
        chance=_CHANCE,
        notes=result.notes,
    )


def _alt(one: SharedSubspace) -> str:
    return (
        f"Share of each layer's {LABELS[one.matrix]} conversions that one shared layer captures: "
        f"{one.share:.3f} on average, {one.mean_left_out:.3f} of a layer it was not fitted to. The "
        f"numbers are in the tables below."
    )
