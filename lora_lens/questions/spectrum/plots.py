"""Singular values, ranks and relative norms of ΔW by layer, and intruder dimensions, drawn by matplotlib."""

from __future__ import annotations

from matplotlib.axes import Axes

from ...show.drawing.with_matplotlib import Filled, draw, sheet
from ..to_draw import check_result
from . import figures, intruder_figures
from .result import Spectrum


def spectrum_figure(result: Spectrum, figure: Filled | None = None) -> Filled:
    """A column a module: ΔW's singular values; its ranks by layer; where W0 is at hand, relative norms."""
    check_result(result, Spectrum)
    return sheet(figures.spectrum_sheet(result), figure)


def intruder_heatmap(
    result: Spectrum, module: str, k: int, ax: Axes | None = None, *, vmax: float | None = None
) -> Axes:
    """Intruder dimensions among the top k, a row a layer and a column an ε; counts in the cells.

    The last row is chance, where it was drawn: the mean over the layers of what random ΔW with the same
    singular values have.

    Args:
        result: From `spectrum`, with W0.
        module: Which of its modules.
        k: Of how many leading vectors.
        ax: Where to draw; the current axes by default.
        vmax: Where the colour scale ends; by default at k.
    """
    check_result(result, Spectrum)
    return draw(intruder_figures.intruder_panel(result, module, k, vmax), ax)


def intruder_figure(result: Spectrum, figure: Filled | None = None) -> Filled:
    """`intruder_heatmap`, a row a module and a column a k, each shaded from none to all of its k."""
    check_result(result, Spectrum)
    return sheet(intruder_figures.intruder_sheet(result), figure)
