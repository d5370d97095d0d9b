"""φ between layers, drawn by matplotlib."""

from __future__ import annotations

from matplotlib.axes import Axes

from ...show.drawing.with_matplotlib import Filled, draw, sheet
from ...show.to_draw import check_part
from ..to_draw import check_result
from . import figures
from .result import LayerGrid, SimilarityResult


def heatmap(
    grid: LayerGrid,
    ax: Axes | None = None,
    *,
    baseline: str | None = None,
    annotate: bool | None = None,
    vmax: float | None = None,
) -> Axes:
    """The layer×layer grid of φ, its values in the cells; the diagonal, 1 by definition, is grey.

    Args:
        grid: One matrix's grid, ``result["A"]``.
        ax: Where to draw; the current axes by default.
        baseline: A null's name, ``propagated``: draw its mean instead of φ.
        annotate: Write the values; by default where they can be read.
        vmax: Where the colour scale ends, which starts at 0; by default at a round number above all
            that is off the diagonal, of φ and of the propagated null.

    Returns:
        The axes drawn on.

    Example:
        >>> import lora_lens as ll
        >>> result = ll.conversion_similarity(ll.load_adapter(ll.demo_adapter("lora")), "value", draws=0)
        >>> ll.plots.heatmap(result["A"]).get_title()
        'A: W0⁻¹Aᵀ, value'
    """
    check_part(grid, LayerGrid, 'result["A"]')
    return draw(figures.panel(grid, baseline, vmax), ax, annotate=annotate)


def excess_heatmap(
    grid: LayerGrid,
    ax: Axes | None = None,
    *,
    null: str = "propagated",
    annotate: bool | None = None,
) -> Axes:
    """How far φ exceeds a null, (φ − null)/(1 − null), layer by layer: 0 is chance.

    Args:
        grid: One matrix's grid, ``result["A"]``.
        ax: Where to draw; the current axes by default.
        null: Which of the nulls that were drawn.
        annotate: Write the values; by default where they can be read.
    """
    check_part(grid, LayerGrid, 'result["A"]')
    return draw(figures.excess_panel(grid, null), ax, annotate=annotate)


def similarity_figure(result: SimilarityResult, figure: Filled | None = None) -> Filled:
    """A row a matrix: φ, what the propagated null gives on the same colours, and the excess over it.

    Args:
        result: From `conversion_similarity`.
        figure: A figure, or a part of one, to fill; by default a new one.
    """
    check_result(result, SimilarityResult)
    return sheet(figures.similarity_sheet(result), figure)
