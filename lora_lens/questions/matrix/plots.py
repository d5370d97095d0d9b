"""φ between many adapters, drawn by matplotlib."""

from __future__ import annotations

from matplotlib.axes import Axes

from ...show.drawing.with_matplotlib import Filled, draw, sheet
from ..to_draw import check_result
from . import figures
from .result import MatrixResult


def dendrogram(result: MatrixResult, ax: Axes | None = None) -> Axes:
    """The tree, root at the left, leaves at the right in the order of the heat map's rows.

    Branches inside one cluster have its colour; those between clusters are grey. A line is where the tree was cut,
    if that is at one height.

    Args:
        result: From `adapter_matrix`.
        ax: Where to draw; the current axes by default.
    """
    check_result(result, MatrixResult)
    return draw(figures.tree_panel(result), ax)


def adapter_heatmap(result: MatrixResult, ax: Axes | None = None) -> Axes:
    """φ between every two adapters in the order of the tree; the diagonal, 1 by definition, is grey.

    The colour scale ends above the highest φ off the diagonal, in tenths, so that small values are told
    apart; names (in their cluster's colour) are written up to 120 adapters.

    Args:
        result: From `adapter_matrix`.
        ax: Where to draw; the current axes by default.
    """
    check_result(result, MatrixResult)
    return draw(figures.heat_panel(result), ax)


def matrix_figure(result: MatrixResult, figure: Filled | None = None) -> Filled:
    """The tree, the heat map in its order, and the colour scale with what chance gives marked on it."""
    check_result(result, MatrixResult)
    return sheet(figures.matrix_sheet(result), figure)
