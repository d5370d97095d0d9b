"""Panels have the places of a drawn figure before it is drawn."""

import numpy as np
import pytest

from lora_lens.show.drawing.placed import place
from lora_lens.show.shown_figure import ShownFigure


@pytest.mark.parametrize("layout", [None, "constrained", "compressed"])
def test_where_drawing_puts_them(layout: str | None) -> None:
    figures = []
    for _ in range(2):
        figure = ShownFigure(figsize=(5, 2), layout=layout)
        for ax in figure.subplots(1, 2):
            mesh = ax.pcolormesh(np.eye(3))
            ax.set_aspect("equal", adjustable="box")
            ax.set_ylabel("layer")
            ax.set_title("of two\nlines")
        figure.colorbar(mesh, ax=figure.axes)
        figures.append(figure)
    drawn, placed = figures
    drawn.draw_without_rendering()
    place(placed)
    for one, other in zip(drawn.axes, placed.axes, strict=True):
        assert one.get_window_extent().bounds == other.get_window_extent().bounds
