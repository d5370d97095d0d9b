"""φ(i, j) for every i and j, described: a heat map a layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...show.figure import Axis, Block, HeatMap, Panel, Scale, Sheet, View, in_rows
from ...show.layout import sided
from ...show.whose import whose
from .result import RankGrid, RankGrids
from .tables import kind_title, title

_MOST_COLUMNS = 7
_MOST_CELLS = 24  # rows or columns on a page up to which all are drawn


def figures(result: RankGrids) -> dict[str, Sheet]:
    """Every figure, by what follows the files' stem."""
    return {"": rank_grids_sheet(result)}


def heat(grid: RankGrid, i: Sequence[int] | None = None, j: Sequence[int] | None = None) -> HeatMap:
    """φ(i, j) of one matrix, side and layer, at some i and j, beside max(i, j)/d."""
    i, j = i or range(1, grid.shape[0] + 1), j or range(1, grid.shape[1] + 1)
    cells = np.ix_([k - 1 for k in i], [k - 1 for k in j])
    kind = sided(grid.matrix, grid.side)
    hover = (
        f"{kind}, layer {grid.layer}, i = {{row}}, j = {{column}}",
        "φ = {phi}",
        "by chance {chance}",
    )
    chosen = {"matrix": kind, "layer": str(grid.layer)}

    def view(
        name: str, shows: str | tuple[str, str], low: float, words: str, ramp: str = "up"
    ) -> View:
        return View(shows, low, 1, ramp, words, chosen | {"view": name}, hover)  # type: ignore[arg-type]

    return HeatMap(
        rows=tuple(map(str, i)),
        columns=tuple(map(str, j)),
        quantities={"phi": grid.values[cells], "chance": grid.gaussian_mean[cells]},
        views=(
            view("phi", "phi", 0, f"φ of the top i directions of one and the top j of the other, {kind}, "
                 f"layer {grid.layer}."),
            view("null", "chance", 0, "φ that unrelated subspaces give, max(i, j)/d."),
            view("excess", ("phi", "chance"), -1, "Excess over unrelated subspaces: 0 is chance.", "both"),
        ),
    )  # fmt: skip


def thinned(grid: RankGrid) -> HeatMap:
    """The same for a page: of a large grid, i and j on a logarithmic scale."""
    rows, columns = map(_spread, grid.shape)
    return heat(grid, rows, columns)


def _spread(count: int) -> list[int]:
    if count <= _MOST_CELLS:
        return list(range(1, count + 1))
    return sorted({round(value) for value in np.geomspace(1, count, _MOST_CELLS)})


def panel(grid: RankGrid, *, baseline: bool = False, high: float = 1.0) -> Panel:
    """φ(i, j) of one layer, i down and j to the right (Hu et al. 2022, Figures 3 and 4), or what chance gives."""
    made = heat(grid)
    view = replace(made.views[1 if baseline else 0], high=high)
    return Panel(
        "by chance" if baseline else f"layer {grid.layer}",
        Axis("j"),
        Axis("i"),
        heat=replace(made, views=(view,)),
    )


def rank_grids_sheet(result: RankGrids) -> Sheet:
    """A block of rows a matrix, a panel a layer, the mean by chance last; one colour scale from 0."""
    groups = [result.of(*kind) for kind in result.kinds]
    top = max(float(max(grid.values.max(), grid.gaussian_mean.max())) for grid in result)
    high = min(1.0, math.ceil(20 * top) / 20)
    blocks = []
    for group in groups:
        shown = [panel(grid, high=high) for grid in group]
        shown.append(panel(group[-1], baseline=True, high=high))
        rows = in_rows(shown, _MOST_COLUMNS)
        blocks.append(Block(rows, kind_title(result, group[0]), (Scale(0, high, "φ"),)))
    return Sheet(
        tuple(blocks),
        (1.65 * len(rows[0]) + 1.2, (1.75 * len(rows) + 0.35) * len(groups) + 0.6),
        title=title(result),
        note=_whose(result),
    )


def _whose(result: RankGrids) -> str:
    if result.between == "w0-delta":
        return whose({"": result.other}, result.one)
    return whose({"first": result.one, "second": result.other}, result.base)
