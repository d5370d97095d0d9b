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
    "Mean share of a layer's factor that the θ fitted to the other layers predicts; by chance: of the same "
    "factors turned by random signs on their own W0's singular directions (the flipped null)."
)


def part(result: SharedResult, findings: Sequence[Finding], name: str) -> Part:
    """Shares by layer beside chance, and the tables behind them."""
    said = [QUESTION.summary(result, findings)]
    if len(result.layers) == 1:
        return Part(name, QUESTION.asks, said)
    null = list(next(iter(result.values())).nulls)[-1]
    first, *by_layer = tables.predicted_tables(result, findings)
    return Part(
        name=name,
        title=QUESTION.asks,
        sentences=[*said, *details(result)],
        figures=[
            *_forwards(result, name),
            *(
                PageFigure(
                    f"{name}-{matrix}",
                    f"{LABELS[matrix]}: share of each layer's subspace",
                    _alt(one),
                    figures.layer_panel(one),
                )
                for matrix, one in result.items()
            ),
        ],
        tables=[first, tables.chance_table(result)],
        details=[*by_layer, *map(tables.layer_table, result.values())],
        legend=[
            *map(sentence, tables.legend(result)),
            f"Bars in the figures, layer by layer: the flipped null's ± 2 sd where shares are predicted, the {null} null's "
            "where they are captured or left out; a null's mean is said where the pointer is.",
        ],
        chance=_CHANCE,
        notes=result.notes,
    )


def _forwards(result: SharedResult, name: str) -> list[PageFigure]:
    every = [one.predicted for one in result.values() if one.predicted is not None]
    asked = [one for one in every if not one.trivial]
    return [
        PageFigure(
            f"{name}-{one.matrix}-predicted",
            f"{LABELS[one.matrix]}: share of each layer's factor that the other layers predict",
            f"Share of each layer's {LABELS[one.matrix]} that the other layers' θ predicts: {one.mean:.3f} on "
            f"average. The numbers are in the tables below.",
            figures.predicted_panel(one),
        )
        for one in asked
    ]


def _alt(one: SharedSubspace) -> str:
    return (
        f"Share of each layer's {LABELS[one.matrix]} conversions that one shared layer captures: "
        f"{one.share:.3f} on average, {one.mean_left_out:.3f} of a layer it was not fitted to. The "
        f"numbers are in the tables below."
    )
