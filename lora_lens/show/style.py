"""What the figures share: colours, names in mathematics, cells of a heat map, an axis of layers."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from .layout import layer_number

# Lightness falls evenly along it: legible in grey and to colour-blind eyes.
COLOURS = "mako_r"
FACTORS = {"A": "$A$", "B": "$B$", "delta": "$\\Delta W$"}
METHODS = {"lora": "LoRA", "condlora": "CondLoRA"}
MOST_ANNOTATED = 16  # rows of a heat map; above it the numbers in the cells would not be read
_MOST_LAYERS = 16  # tick labels of an axis of layers


def scale(vmax: float = 1.0) -> ScalarMappable:
    """The colour scale from 0, for a bar that is of several axes."""
    return ScalarMappable(Normalize(0, vmax), plt.get_cmap(COLOURS))


def cell(value: float) -> str:
    """Two decimals without the leading zero, as the paper's cells are narrow; 1 is 1."""
    return "1" if value >= 0.995 else f"{value:.2f}".removeprefix("0")


def layer_axis(ax: Axes, layers: Sequence[int | None]) -> None:
    """Number the layers, which are drawn at 0, 1, 2, …, without running into each other."""
    step = max(1, -(-len(layers) // _MOST_LAYERS))
    ax.set_xticks(
        list(range(0, len(layers), step)), [layer_number(layer) for layer in layers[::step]]
    )
    ax.set_xlabel("layer")
    sns.despine(ax=ax)


def log_axis(ax: Axes) -> None:
    """A logarithmic y axis numbered 0.5, 1, 2, …: norms of one model span a decade or two."""
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
