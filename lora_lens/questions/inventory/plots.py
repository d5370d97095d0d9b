"""Singular values of ΔW, layer by layer, drawn by matplotlib."""

from __future__ import annotations

from ...show.drawing.with_matplotlib import Filled, sheet
from ..to_draw import check_result
from . import figures
from .result import Inventory


def inventory_figure(result: Inventory, figure: Filled | None = None) -> Filled:
    """`singular_value_plot`, a panel a module."""
    check_result(result, Inventory)
    return sheet(figures.inventory_sheet(result), figure)
