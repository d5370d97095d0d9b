"""Singular values of ΔW, layer by layer."""

from __future__ import annotations

from matplotlib.figure import Figure

from ...show.singular_values import layer_bar, singular_value_plot
from .result import Inventory


def figures(result: Inventory) -> dict[str, Figure]:
    """Every figure, by what follows the files' stem."""
    return {"": inventory_figure(result)}


def inventory_figure(result: Inventory) -> Figure:
    """`singular_value_plot`, a panel a module."""
    modules = list(dict.fromkeys(summary.module for summary in result.modules))
    columns = min(4, len(modules))
    rows = -(-len(modules) // columns)
    figure = Figure(figsize=(3.2 * columns + 1, 2.8 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True)
    last = max(summary.layer or 0 for summary in result.modules)
    for ax, module in zip(axes.flat, modules, strict=False):
        of = [summary for summary in result.modules if summary.module == module]
        singular_value_plot(of, ax, last=last)
        ax.set_title(module)
    for ax in axes.flat[len(modules) :]:
        ax.set_visible(False)
    axes[0, 0].set_ylabel("σ of ΔW")
    layer_bar(figure, last, ax=axes, pad=0.02)
    return figure
