"""Results → matplotlib: heat maps as in Figure 1, and φ or spectra by layer. Computes nothing.

Functions that take ``ax`` draw on it (the current one by default), return it, and save nothing.
Figures are made without pyplot, so that no global state is touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from .results import ComparisonResult, Inventory, LayerGrid, SimilarityResult, TaskScores

# Lightness falls evenly along it: legible in grey and to colour-blind eyes.
COLOURS = "mako_r"
_NAMES = {
    "A": "$W_0^{-1}A^\\top$",
    "B": "$W_0^{-1}B$",
    "BA": "$W_0^{-1}BA$",
    "delta": "$\\Delta W$",
}
_CONSISTENT_A = "$W_0^{-\\top}A^\\top$"
_BASELINES = {
    "gaussian": "Gaussian baseline",
    "propagated": "Propagated baseline",
    "mismatched": "Mismatched baseline",
    "initialisation": "Initialisation baseline",
}
_SHOWN = ("gaussian", "propagated")  # in Figure 1: the closed form, and the right null
_METHODS = {"lora": "LoRA", "condlora": "CondLoRA"}
_MOST_ANNOTATED = 16  # layers; above it the numbers in the cells would not be read


def heatmap(
    grid: LayerGrid,
    ax: Axes | None = None,
    *,
    baseline: str | None = None,
    annotate: bool | None = None,
) -> Axes:
    """The layer×layer grid of φ on a colour scale from 0 to 1, its values in the cells.

    Args:
        grid: One matrix's grid, ``result["A"]``.
        ax: Where to draw; the current axes by default.
        baseline: A null's name, ``propagated``: draw its mean instead of φ.
        annotate: Write the values; by default up to 16 layers.

    Returns:
        The axes drawn on.
    """
    ax = plt.gca() if ax is None else ax
    layers = len(grid.layers)
    values = grid.values if baseline is None else grid.baselines[baseline].grid(layers)
    shown = layers <= _MOST_ANNOTATED if annotate is None else annotate
    sns.heatmap(
        values,
        ax=ax,
        vmin=0,
        vmax=1,
        cmap=COLOURS,
        annot=_labels(values) if shown else False,
        fmt="",
        annot_kws={"fontsize": 9 if layers <= 8 else 6.5},
        square=True,
        cbar=False,
        linewidths=0.5,
        xticklabels=list(map(str, grid.layers)),
        yticklabels=list(map(str, grid.layers)),
    )
    ax.tick_params(length=0)
    ax.set_yticklabels(ax.get_yticklabels(), rotation=0)
    ax.set_title(
        _conversion(grid) if baseline is None else f"{_BASELINES[baseline]}, {grid.matrix}"
    )
    ax.set_xlabel("layer")
    ax.set_ylabel("layer")
    return ax


def _conversion(grid: LayerGrid) -> str:
    consistent_a = grid.matrix == "A" and grid.convention == "consistent"
    return f"{_CONSISTENT_A if consistent_a else _NAMES[grid.matrix]}, {grid.module}"


def _labels(values: Any) -> Any:
    """Two decimals without the leading zero, as the paper's cells are narrow; 1 is 1."""
    return np.vectorize(lambda value: "1" if value >= 0.995 else f"{value:.2f}".removeprefix("0"))(
        values
    )


def similarity_figure(result: SimilarityResult) -> Figure:
    """Figure 1 with its nulls: a row a matrix; conversions, then the baselines, on one colour scale."""
    names = [name for name in _SHOWN if name in next(iter(result.values())).baselines]
    size = min(5.0, 1.6 + 0.28 * len(result.layers))
    columns = 1 + len(names)
    figure = Figure(figsize=(size * columns + 1, size * len(result) + 0.7), layout="constrained")
    axes = figure.subplots(len(result), columns, squeeze=False)
    for row, grid in zip(axes, result.values(), strict=True):
        for ax, baseline in zip(row, [None, *names], strict=True):
            heatmap(grid, ax, baseline=baseline)
            ax.label_outer()
    bar = figure.colorbar(
        ScalarMappable(Normalize(0, 1), plt.get_cmap(COLOURS)), ax=axes, shrink=0.6, pad=0.02
    )
    bar.set_label("φ", rotation=0)
    bar.outline.set_visible(False)
    figure.suptitle(
        f"Subspace similarity between layers, {result.module}\n"
        f"{result.side} singular vectors, i = {result.i}, j = {result.j}, "
        f"convention {result.convention}",
        fontsize=11,
    )
    return figure


def layer_plot(result: ComparisonResult, ax: Axes | None = None) -> Axes:
    """φ of A, B and ΔW by layer, with the Gaussian baseline's mean and two deviations as a band."""
    ax = plt.gca() if ax is None else ax
    positions = range(len(result.layers))
    styles = zip(("o", "s", "^"), ("-", "--", ":"), sns.color_palette("colorblind"), strict=False)
    for (matrix, series), (marker, line, colour) in zip(result.items(), styles, strict=True):
        label = matrix if matrix != "delta" else _NAMES["delta"]
        ax.plot(
            positions,
            series.values,
            line,
            marker=marker,
            color=colour,
            label=f"{label} ({series.side})",
        )
    baseline = result["delta"].baseline
    mean, sd = float(baseline.mean), float(baseline.sd)
    ax.axhspan(mean - 2 * sd, mean + 2 * sd, color="0.85", zorder=0, label="Gaussian, ± 2 sd")
    ax.axhline(mean, color="0.5", linewidth=1, zorder=0)
    ax.set_xticks(list(positions), [str(layer) for layer in result.layers])
    ax.set_ylim(bottom=0)
    ax.set_xlabel("layer")
    ax.set_ylabel("φ")
    ax.set_title(f"Two adapters, {result.module}, i = {result.i}, j = {result.j}")
    ax.legend(frameon=False, fontsize=9)
    sns.despine(ax=ax)
    return ax


def comparison_figure(result: ComparisonResult) -> Figure:
    """`layer_plot` as a figure of its own."""
    figure = Figure(figsize=(max(5.0, 0.4 * len(result.layers) + 2), 3.4), layout="constrained")
    layer_plot(result, figure.subplots())
    return figure


def inventory_figure(result: Inventory) -> Figure:
    """Singular values of ΔW, a panel a module, a line a layer from pale (first) to dark (last)."""
    modules = list(dict.fromkeys(summary.module for summary in result.modules))
    columns = min(4, len(modules))
    rows = -(-len(modules) // columns)
    figure = Figure(figsize=(3.2 * columns + 1, 2.8 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True)
    last = max(summary.layer for summary in result.modules)
    colours = plt.get_cmap("mako_r")
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


def scores_plot(tasks: Sequence[TaskScores], ax: Axes | None = None) -> Axes:
    """Test scores by task: a mark a seed, a line at the mean, and what a constant answer scores."""
    ax = plt.gca() if ax is None else ax
    methods = list(dict.fromkeys(method for task in tasks for method in task.scores))
    styles = list(zip(("o", "s", "^"), sns.color_palette("colorblind"), strict=False))
    for index, (method, (marker, colour)) in enumerate(zip(methods, styles, strict=False)):
        offset = 0.3 * (index - (len(methods) - 1) / 2)
        for position, task in enumerate(tasks):
            found = [100 * score for score in task.scores.get(method, {}).values()]
            ax.plot(
                [position + offset] * len(found),
                found,
                marker,
                color=colour,
                alpha=0.8,
                label=_METHODS.get(method, method) if position == 0 else "",
            )
            if found:
                middle = sum(found) / len(found)
                ax.hlines(
                    middle, position + offset - 0.1, position + offset + 0.1, color=colour, lw=2
                )
    for position, task in enumerate(tasks):
        ax.hlines(
            100 * task.majority,
            position - 0.35,
            position + 0.35,
            color="0.55",
            ls=":",
            label="constant answer" if position == 0 else "",
        )
    ax.set_xticks(range(len(tasks)), [f"{task.task}\n{task.metric}" for task in tasks])
    ax.set_ylabel("test score, percent")
    ax.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
    sns.despine(ax=ax)
    return ax


def scores_figure(tasks: Sequence[TaskScores]) -> Figure:
    """`scores_plot` as a figure of its own."""
    figure = Figure(figsize=(2.6 + 1.1 * len(tasks), 3.4), layout="constrained")
    scores_plot(tasks, figure.subplots())
    return figure
