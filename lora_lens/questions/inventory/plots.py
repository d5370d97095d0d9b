"""Singular values of ΔW, layer by layer, drawn by matplotlib."""

from __future__ import annotations

from matplotlib.figure import Figure, SubFigure

from ...show.draw_matplotlib import sheet
from ..to_draw import check_result
from . import figures
from .result import Inventory


def inventory_figure(
    result: Inventory, figure: Figure | SubFigure | None = None
) -> Figure | SubFigure:
    """`singular_value_plot`, a panel a module."""
    check_result(result, Inventory)
    return sheet(figures.inventory_sheet(result), figure)
