"""Singular values of ΔW, a line a layer from pale (first) to dark (last)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .style import COLOURS

_PALEST, _SHADES = (
    0.15,
    0.8,
)  # where on the colour map the first layer is, and how far from it the last


class Layer(Protocol):
    """One layer's singular values of ΔW; how many are above a random product's, where it says so."""

    @property
    def layer(self) -> int | None:
        """Its number; None for a module that is in no numbered layer."""

    @property
    def singular_values(self) -> Sequence[float]:
        """Of ΔW, descending."""


def singular_value_plot(
    layers: Sequence[Layer],
    ax: Axes | None = None,
    *,
    last: int | None = None,
) -> Axes:
    """Singular values of one module's ΔW, a line a layer; ringed where a random product has none so large.

    Args:
        layers: Of ``spectrum(…).of(module)``, or of ``inspect(…).modules``, which have no rings.
        ax: Where to draw; the current axes by default.
        last: Number of the layer with the darkest line; by default the last one here.
    """
    ax = plt.gca() if ax is None else ax
    last = max(layer.layer or 0 for layer in layers) if last is None else last
    label: str | None = "above a random product"
    for layer in layers:
        colour = plt.get_cmap(COLOURS)(_PALEST + _SHADES * (layer.layer or 0) / max(1, last))
        index = range(1, len(layer.singular_values) + 1)
        values = [s if s > 0 else math.nan for s in layer.singular_values]
        ax.plot(index, values, marker=".", color=colour)
        if count := getattr(layer, "above_product_edge", 0):
            ax.plot(
                index[:count], values[:count], "o", mfc="none", mec=colour, ms=9, ls="", label=label
            )
            label = None
    ax.set_yscale("log")
    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
    ax.set_xlabel("singular value")
    sns.despine(ax=ax)
    return ax


def layer_bar(figure: Figure, last: int, **place: Any) -> None:
    """Which line is which layer, on a colour bar at `place`, as in ``Figure.colorbar``."""
    end = max(1, last)
    low, high = -_PALEST / _SHADES * end, (1 - _PALEST) / _SHADES * end
    scale = ScalarMappable(Normalize(low, high), plt.get_cmap(COLOURS))
    bar = figure.colorbar(scale, **place)
    bar.ax.set_ylim(0, end)
    bar.ax.yaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
    bar.set_label("layer")
