"""φ(i, j) for every i and j, drawn by matplotlib."""

from __future__ import annotations

from matplotlib.axes import Axes

from ...show.drawing.with_matplotlib import Filled, draw, sheet
from ...show.to_draw import check_part
from ..to_draw import check_result
from . import figures
from .result import RankGrid, RankGrids


def ij_heatmap(
    grid: RankGrid, ax: Axes | None = None, *, baseline: bool = False, vmax: float = 1.0
) -> Axes:
    """φ(i, j) of one layer, i down and j to the right (Hu et al. 2022, Figures 3 and 4).

    Args:
        grid: One of ``rank_grids(…)``.
        ax: Where to draw; the current axes by default.
        baseline: Draw the mean for unrelated subspaces instead.
        vmax: Upper end of the colour scale, which starts at 0.
    """
    check_part(grid, RankGrid, "result.grids[0]")
    return draw(figures.panel(grid, baseline=baseline, high=vmax), ax)


def rank_grids_figure(result: RankGrids, figure: Filled | None = None) -> Filled:
    """A block of rows a matrix, a panel a layer, the mean by chance last; one colour scale from 0."""
    check_result(result, RankGrids)
    return sheet(figures.rank_grids_sheet(result), figure)
