"""φ between layers: heat maps as in Figure 1, beside its nulls."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...show.style import (
    COLOURS,
    MOST_ANNOTATED,
    cell,
    scale,
)
from .result import LayerGrid, SimilarityResult

_NAMES = {
    "A": "$W_0^{-1}A^\\top$",
    "B": "$W_0^{-1}B$",
    "BA": "$W_0^{-1}BA$",
}
_CONSISTENT_A = "$W_0^{-\\top}A^\\top$"
_BASELINES = {
    "gaussian": "Gaussian baseline",
    "propagated": "Propagated baseline",
    "mismatched": "Mismatched baseline",
    "initialisation": "Initialisation baseline",
}
_SHOWN = ("gaussian", "propagated")  # in Figure 1: the closed form, and the right null


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
    shown = layers <= MOST_ANNOTATED if annotate is None else annotate
    sns.heatmap(
        values,
        ax=ax,
        vmin=0,
        vmax=1,
        cmap=COLOURS,
        annot=np.vectorize(cell)(values) if shown else False,
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


def figures(result: SimilarityResult) -> dict[str, Figure]:
    """Every figure, by what follows the files' stem."""
    return {"": similarity_figure(result)}


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
    bar = figure.colorbar(scale(), ax=axes, shrink=0.6, pad=0.02)
    bar.set_label("φ", rotation=0)
    bar.outline.set_visible(False)
    figure.suptitle(
        f"Subspace similarity between layers, {result.module}\n"
        f"{result.side} singular vectors, i = {result.i}, j = {result.j}, "
        f"convention {result.convention}",
        fontsize=11,
    )
    return figure
