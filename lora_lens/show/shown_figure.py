"""A figure that notebooks show, though pyplot does not know of it."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .drawing.placed import laid_out


class ShownFigure(Figure):
    r"""matplotlib's figure, which is its picture where a cell ends with it.

    Jupyter learns how to show a figure when pyplot makes its first one; Colab has learnt it before. Before that a
    figure that was made without pyplot is ``<Figure size 1038x802 with 8 Axes>``.

    Example:
        >>> ShownFigure(figsize=(1, 1))._repr_png_()[:4]
        b'\x89PNG'
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # It has one renderer for all texts that are measured, which remembers them.
        FigureCanvasAgg(self)

    def _repr_png_(self) -> bytes:
        picture = BytesIO()
        with laid_out(self, self.dpi):
            self.savefig(picture, format="png", dpi=self.dpi)
        return picture.getvalue()
