"""How much ΔW amplifies directions of W0, by layer, drawn by matplotlib."""

from __future__ import annotations

from matplotlib.axes import Axes

from ...show.drawing.with_matplotlib import Filled, draw, sheet
from ..to_draw import check_result
from . import figures
from .result import Amplification


def amplification_plot(result: Amplification, ax: Axes | None = None) -> Axes:
    """‖UᵀW0V‖_F by layer in the directions of ΔW, of W0, and random ones, beside ‖ΔW‖_F; log scale.

    Args:
        result: From `amplification`.
        ax: Where to draw; the current axes by default.
    """
    check_result(result, Amplification)
    return draw(figures.norm_panel(result), ax)


def factor_plot(result: Amplification, ax: Axes | None = None) -> Axes:
    """The amplification factor by layer, and what it would be in random directions.

    Args:
        result: From `amplification`.
        ax: Where to draw; the current axes by default.
    """
    check_result(result, Amplification)
    return draw(figures.factor_panel(result), ax)


def amplification_figure(result: Amplification, figure: Filled | None = None) -> Filled:
    """`amplification_plot` beside `factor_plot`."""
    check_result(result, Amplification)
    return sheet(figures.amplification_sheet(result), figure)
