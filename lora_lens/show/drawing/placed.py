"""Where panels lie once a figure is laid out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

# Settings that give a layout to a figure that has none.
_NO_LAYOUT: dict[Any, Any] = {"figure.autolayout": False, "figure.constrained_layout.use": False}


def place(figure: Figure) -> None:
    """Give panels the places that drawing gives them, and draw nothing: a third of a draw is not for that.

    Example:
        >>> figure = Figure(layout="constrained")
        >>> ax = figure.subplots()
        >>> before = ax.get_position().x0
        >>> place(figure)
        >>> bool(before > ax.get_position().x0)
        True
    """
    layout = figure.get_layout_engine()
    if layout is not None:
        layout.execute(figure)
    _keep_aspects(figure)


@contextmanager
def laid_out(figure: Figure, dpi: float) -> Iterator[None]:
    """A figure whose panels have their places, at so many dots to the inch, while it is saved.

    matplotlib draws a figure that has a layout twice for each file, first without leaving anything, to find
    the places. They are the same in all files.
    """
    layout, before = figure.get_layout_engine(), figure.dpi
    figure.dpi = dpi
    try:
        _keep_aspects(figure)  # as drawing does before it lays out
        place(figure)
    finally:
        figure.dpi = before
    try:
        with rc_context(_NO_LAYOUT):
            figure.set_layout_engine(None)
            yield
    finally:
        figure.set_layout_engine(layout or "none")


def _keep_aspects(figure: Figure) -> None:
    for ax in figure.axes:
        # A colour scale's locator asks no renderer.
        locator: Any = ax.get_axes_locator()
        ax.apply_aspect(locator(ax, None) if locator else None)
