"""Singular values of ΔW, layer by layer."""

from __future__ import annotations

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from ..results import Inventory
from .style import COLOURS


def inventory_figure(result: Inventory) -> Figure:
    """Singular values of ΔW, a panel a module, a line a layer from pale (first) to dark (last)."""
    modules = list(dict.fromkeys(summary.module for summary in result.modules))
    columns = min(4, len(modules))
    rows = -(-len(modules) // columns)
    figure = Figure(figsize=(3.2 * columns + 1, 2.8 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True)
    last = max(summary.layer for summary in result.modules)
    colours = plt.get_cmap(COLOURS)
    for ax, module in zip(axes.flat, modules, strict=False):
        for summary in result.modules:
            if summary.module == module and summary.singular_values[0] > 0:
                index = range(1, len(summary.singular_values) + 1)
                shade = 0.15 + 0.8 * summary.layer / max(1, last)
                ax.semilogy(index, summary.singular_values, marker=".", color=colours(shade))
        ax.set_title(module)
        ax.set_xlabel("singular value")
        sns.despine(ax=ax)
    for ax in axes.flat[len(modules) :]:
        ax.set_visible(False)
    axes[0, 0].set_ylabel("σ of ΔW")
    scale = ScalarMappable(Normalize(-0.1875 * max(1, last), 1.0625 * max(1, last)), colours)
    bar = figure.colorbar(scale, ax=axes, pad=0.02)
    bar.ax.set_ylim(0, max(1, last))
    bar.set_label("layer")
    return figure
