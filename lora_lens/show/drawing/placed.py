"""Where panels lie once a figure is laid out."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure


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
    for ax in figure.axes:
        # A colour scale's locator asks no renderer.
        locator: Any = ax.get_axes_locator()
        ax.apply_aspect(locator(ax, None) if locator else None)
