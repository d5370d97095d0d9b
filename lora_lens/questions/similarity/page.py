"""Similarity's part of a report."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...chance.significance import Significance
from ...labelled import Array
from ...show.findings import Finding
from ...show.layout import LABELS, Table, beside, number, p_value, signed, significant
from ...show.part import VIEWS, PageFigure, Part, Switch, sentence
from . import QUESTION, figures, tables
from .result import LayerGrid, SimilarityResult
from .words import distinct

MOST_PAIRS = 30
_STATISTICS = (("p", "p"), ("p_bh", "p, corrected"))


def part(result: SimilarityResult, findings: Sequence[Finding], name: str) -> Part:
    """Grids with a switch between φ, chance, excess and p, and the tables behind them."""
    said = [QUESTION.summary(result, findings)]
    if len(result.layers) == 1:
        return Part(name, QUESTION.asks, said)
    shown = distinct(result)
    details = [tables.grid_table(grid) for grid in shown.values()]
    details += [
        pairs_table(grid, grid.pictured) for grid in shown.values() if grid.pictured is not None
    ]
    return Part(
        name=name,
        title=QUESTION.asks,
        sentences=[*said, sentence(tables.highest_pairs(result))],
        figures=[
            PageFigure(
                f"{name}-{matrix}",
                figures.conversion(grid, result),
                _alt(grid),
                (figures.heat(grid),),
                "layer",
                "layer",
            )
            for matrix, grid in shown.items()
        ],
        switches=_switches(next(iter(result.values()))),
        stretch=True,
        tables=[tables.chance_table(result)],
        details=[*details, tables.condition_table(result)],
        legend=[*map(sentence, tables.null_legend(result)), _conditioning(result)],
        notes=result.notes,
    )


def _switches(grid: LayerGrid) -> list[Switch]:
    nulls = list(grid.baselines)
    if not nulls:
        return []
    first = grid.pictured or nulls[0]
    options = tuple((null, null) for null in nulls)
    return [
        Switch("view", "Show", (*VIEWS, *_STATISTICS), "phi"),
        Switch("null", "Chance is", options, first, "select"),
    ]


def _alt(grid: LayerGrid) -> str:
    off = grid.values[~np.eye(len(grid.layers), dtype=bool)]
    return (
        f"Heat map of φ between the conversion matrices of {LABELS[grid.matrix]}, layer by layer: "
        f"mean off the diagonal {grid.mean:.3f}, lowest {off.min():.3f}, highest {off.max():.3f}. The "
        f"numbers are in the tables below."
    )


def _conditioning(result: SimilarityResult) -> str:
    ends = (min(result.condition_number), max(result.condition_number))
    low, high = (significant(one, zeros=False) for one in ends)
    said = (
        f"Conditioning: W0's condition number σ_max/σ_min is from {low} to {high} over the layers."
    )
    if not any("propagated" in grid.baselines for grid in result.values()):
        return said
    amplifies = "A ridge favours some of" if result.ridge else "W0⁻¹ amplifies"
    directions = "singular directions" if result.ridge else "small singular directions"
    return (
        f"{said} {amplifies} W0's {directions}, and layers share some of them: that is why unrelated "
        f"subspaces are no measure, and the propagated null goes through the same W0."
    )


def pairs_table(grid: LayerGrid, null: str) -> Table:
    """The pairs of layers with the highest φ, each against one null with its corrections."""
    test, layers = grid.significance[null], grid.layers
    mean, sd = grid.baselines[null].grid(len(layers)), grid.baselines[null].sd_grid(len(layers))
    both = grid.i != grid.j  # then φ(l, m) and φ(m, l) are two numbers
    pairs = [
        (x, y)
        for x in range(len(layers))
        for y in range(len(layers))
        if (x != y if both else x < y)
    ]
    highest = sorted(pairs, key=lambda pair: -grid.values[pair])[:MOST_PAIRS]
    rows = [
        [str(layers[x]), str(layers[y]), *_pair(grid, test, mean, sd, (x, y))] for x, y in highest
    ]
    of = f"{len(highest)} highest of {len(pairs)}" if len(pairs) > len(highest) else f"{len(pairs)}"
    return Table(
        f"{LABELS[grid.matrix]}: {of} pairs of layers against the {null} null",
        ["layer", "other", "φ", "null", "z", "excess", "p", "p (BH)", "p (max)"],
        rows,
    )


def _pair(
    grid: LayerGrid, test: Significance, mean: Array, sd: Array, at: tuple[int, int]
) -> list[str]:
    return [
        number(grid.values[at]), beside(float(mean[at]), float(sd[at])), signed(test.z[at], 1),
        signed(test.excess[at], 3), p_value(test.p[at]), p_value(test.p_bh[at]), p_value(test.p_max[at]),
    ]  # fmt: skip
