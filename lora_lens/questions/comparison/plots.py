"""φ of two adapters by layer, drawn by matplotlib."""

from __future__ import annotations

from matplotlib.axes import Axes

from ...show.drawing.with_matplotlib import Filled, draw, sheet
from ..to_draw import check_result
from . import figures
from .result import ComparisonResult


def layer_plot(result: ComparisonResult, ax: Axes | None = None) -> Axes:
    """φ of A, B and ΔW by layer (ΔW's once where it is B's), beside the null that the verdict comes from, ± 2 sd.

    Args:
        result: From `compare`.
        ax: Where to draw; the current axes by default.
    """
    check_result(result, ComparisonResult)
    return draw(figures.layer_panel(result), ax)


def comparison_figure(result: ComparisonResult, figure: Filled | None = None) -> Filled:
    """`layer_plot` as a figure of its own, or filling a part of one."""
    check_result(result, ComparisonResult)
    return sheet(figures.comparison_sheet(result), figure)
