"""The coordinates that conversions hold, drawn by matplotlib."""

from __future__ import annotations

from matplotlib.axes import Axes

from ...show.drawing.with_matplotlib import Filled, draw, sheet
from ..to_draw import check_result
from . import figures
from .result import OutliersResult


def outlier_crowd_plot(result: OutliersResult, ax: Axes | None = None) -> Axes:
    """Every coordinate: how much W0's inverse magnifies it, and the share of its unit vector.

    Args:
        result: From `outliers`.
        ax: Where to draw; the current axes by default.
    """
    check_result(result, OutliersResult)
    return draw(figures.crowd_panel(result), ax)


def outlier_layer_plot(result: OutliersResult, ax: Axes | None = None) -> Axes:
    """Share of each named unit vector by layer; dotted what random factors hold of it.

    Args:
        result: From `outliers`.
        ax: Where to draw; the current axes by default.
    """
    check_result(result, OutliersResult)
    return draw(figures.held_panel(result), ax)


def outliers_figure(result: OutliersResult, figure: Filled | None = None) -> Filled:
    """Where the coordinates stand, what is held of them by layer, and their columns of W0."""
    check_result(result, OutliersResult)
    return sheet(figures.outliers_sheet(result), figure)
