"""What one shared layer captures, drawn by matplotlib."""

from __future__ import annotations

from matplotlib.axes import Axes

from ...show.drawing.with_matplotlib import Filled, draw, sheet
from ...show.to_draw import check_part
from ..to_draw import check_result
from . import figures
from .predicted import Predicted
from .result import SharedResult, SharedSubspace


def shared_predicted_plot(predicted: Predicted, ax: Axes | None = None) -> Axes:
    """Share of each layer's factor that the other layers' θ predicts; bars are flips' mean ± 2 deviations.

    Args:
        predicted: One matrix's, ``result["B"].predicted``, or ``result["B"].carried``.
        ax: Where to draw; the current axes by default.
    """
    check_part(predicted, Predicted, 'result["B"].predicted')
    return draw(figures.predicted_panel(predicted), ax)


def shared_layer_plot(shared: SharedSubspace, ax: Axes | None = None) -> Axes:
    """Captured and left-out share by layer; bars are the null's mean ± 2 deviations.

    Args:
        shared: One matrix's, ``result["A"]``.
        ax: Where to draw; the current axes by default.
    """
    check_part(shared, SharedSubspace, 'result["A"]')
    return draw(figures.layer_panel(shared), ax)


def shared_eigenvalue_plot(shared: SharedSubspace, ax: Axes | None = None) -> Axes:
    """Eigenvalues of the mean projector: 1 for a direction that all layers have, 1/L for one that one has.

    Args:
        shared: One matrix's, ``result["A"]``.
        ax: Where to draw; the current axes by default.
    """
    check_part(shared, SharedSubspace, 'result["A"]')
    return draw(figures.eigenvalue_panel(shared), ax)


def shared_width_plot(shared: SharedSubspace, ax: Axes | None = None) -> Axes:
    """Share that one layer captures, by its width.

    Args:
        shared: One matrix's, ``result["A"]``.
        ax: Where to draw; the current axes by default.
    """
    check_part(shared, SharedSubspace, 'result["A"]')
    return draw(figures.width_panel(shared), ax)


def shared_figure(result: SharedResult, figure: Filled | None = None) -> Filled:
    """A row a matrix: predicted or carried over, captured, by eigenvalue, by width; a new figure, or filling a part of one."""
    check_result(result, SharedResult)
    return sheet(figures.shared_sheet(result), figure)
