"""ΔM against ΔD, and their correlation beside random ΔW's, drawn by matplotlib."""

from __future__ import annotations

from matplotlib.axes import Axes

from ...show.drawing.with_matplotlib import Filled, draw, sheet
from ..to_draw import check_result
from . import figures
from .result import MagnitudeAndDirection


def magnitude_plot(result: MagnitudeAndDirection, ax: Axes | None = None) -> Axes:
    """ΔM against ΔD: a point a layer, a colour a module, each joined to the mean of random ΔW of its singular values.

    Args:
        result: From `magnitude_and_direction`.
        ax: Where to draw; the current axes by default.
    """
    check_result(result, MagnitudeAndDirection)
    return draw(figures.magnitude_panel(result), ax)


def correlation_plot(result: MagnitudeAndDirection, ax: Axes | None = None) -> Axes:
    """Pearson's r of ΔM and ΔD, by module and over all, beside where 95 of 100 random ΔW have it.

    Args:
        result: From `magnitude_and_direction`.
        ax: Where to draw; the current axes by default.
    """
    check_result(result, MagnitudeAndDirection)
    return draw(figures.correlation_panel(result), ax)


def magnitude_figure(result: MagnitudeAndDirection, figure: Filled | None = None) -> Filled:
    """`magnitude_plot` beside `correlation_plot`."""
    check_result(result, MagnitudeAndDirection)
    return sheet(figures.magnitude_sheet(result), figure)
