"""An adapter over its training, drawn by matplotlib."""

from __future__ import annotations

from typing import Literal

from matplotlib.axes import Axes

from ...show.drawing.with_matplotlib import Filled, draw, sheet
from ..to_draw import check_result
from . import figures
from .result import DynamicsResult


def trajectory(
    result: DynamicsResult,
    ax: Axes | None = None,
    *,
    to: Literal["end", "start"] = "end",
    bands: bool = True,
) -> Axes:
    """φ to the end point or to the first checkpoint by step: mean over the layers, a band from lowest to highest.

    Args:
        result: From `dynamics`.
        ax: Where to draw; the current axes by default.
        to: ``end``, or ``start`` for the first checkpoint.
        bands: Shade from the lowest to the highest layer.
    """
    check_result(result, DynamicsResult)
    return draw(figures.trajectory_panel(result, to, bands=bands), ax)


def size_plot(result: DynamicsResult, ax: Axes | None = None) -> Axes:
    """Frobenius norms of ΔW, A and B by step, on a logarithmic scale."""
    check_result(result, DynamicsResult)
    return draw(figures.size_panel(result), ax)


def rank_plot(result: DynamicsResult, ax: Axes | None = None) -> Axes:
    """Stable and effective rank of ΔW by step."""
    check_result(result, DynamicsResult)
    return draw(figures.rank_panel(result), ax)


def layer_heatmap(result: DynamicsResult, ax: Axes | None = None) -> Axes:
    """φ of ΔW (left) to the end point, a row a layer, a column a checkpoint; grey where there is none."""
    check_result(result, DynamicsResult)
    return draw(figures.layer_panel(result), ax)


def dynamics_figure(result: DynamicsResult, figure: Filled | None = None) -> Filled:
    """φ to the end point, to the first checkpoint and by layer above; norms and ranks below."""
    check_result(result, DynamicsResult)
    return sheet(figures.dynamics_sheet(result), figure)
