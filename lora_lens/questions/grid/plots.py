"""φ(i, j) for every i and j, layer by layer."""

from __future__ import annotations

import math

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ...show.style import COLOURS, scale
from .result import RankGrid, RankGrids
from .tables import kind_title, names, title

_MOST_LABELS = 8  # tick labels an axis
_MOST_COLUMNS = 6
_MOST_LETTERS = 60


def ij_heatmap(
    grid: RankGrid, ax: Axes | None = None, *, baseline: bool = False, vmax: float = 1.0
) -> Axes:
    """φ(i, j) of one layer, i down and j to the right (Hu et al. 2022, Figures 3 and 4).

    Args:
        grid: One of ``rank_grids(…)``.
        ax: Where to draw; the current axes by default.
        baseline: Draw the mean for unrelated subspaces instead.
        vmax: Upper end of the colour scale, which starts at 0.
    """
    ax = plt.gca() if ax is None else ax
    values = grid.gaussian_mean if baseline else grid.values
    ax.imshow(
        values,
        cmap=COLOURS,
        vmin=0,
        vmax=vmax,
        aspect="auto",
        interpolation="nearest",
        extent=(0.5, values.shape[1] + 0.5, values.shape[0] + 0.5, 0.5),
    )
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(_MOST_LABELS, integer=True, min_n_ticks=1))
    ax.set_title("by chance" if baseline else f"layer {grid.layer}", fontsize=10)
    ax.set_xlabel("j")
    ax.set_ylabel("i", rotation=0, labelpad=8)
    ax.grid(visible=False)
    return ax


def figures(result: RankGrids) -> dict[str, Figure]:
    """Every figure, by what follows the files' stem."""
    return {"": rank_grids_figure(result)}


def rank_grids_figure(result: RankGrids) -> Figure:
    """A block of rows a matrix, a panel a layer, the mean by chance last; one colour scale from 0."""
    groups = [result.of(*kind) for kind in result.kinds]
    panels = len(groups[0]) + 1
    columns = min(_MOST_COLUMNS + 1, panels)
    rows = -(-panels // columns)
    top = max(float(max(grid.values.max(), grid.gaussian_mean.max())) for grid in result)
    vmax = min(1.0, math.ceil(20 * top) / 20)
    figure = Figure(
        figsize=(1.65 * columns + 1.2, (1.75 * rows + 0.35) * len(groups) + 0.6),
        layout="constrained",
    )
    blocks = figure.subfigures(len(groups), 1, squeeze=False)[:, 0]
    for block, group in zip(blocks, groups, strict=True):
        block.suptitle(kind_title(result, group[0]), fontsize=10, x=0.02, ha="left")
        axes = block.subplots(rows, columns, squeeze=False)
        for ax, grid in zip(axes.flat, group, strict=False):
            ij_heatmap(grid, ax, vmax=vmax)
        ij_heatmap(group[-1], axes.flat[len(group)], baseline=True, vmax=vmax)
        for ax in axes.flat[panels:]:
            ax.set_visible(False)
        for ax in axes[:, 1:].flat:
            ax.set_ylabel("")
        for ax in axes.flat[: max(0, panels - columns)]:
            ax.set_xlabel("")
        bar = block.colorbar(scale(vmax), ax=axes, pad=0.01, aspect=15 * rows)
        bar.set_label("φ", rotation=0)
        bar.outline.set_visible(False)
    figure.suptitle(title(result), fontsize=11)
    figure.supxlabel(_whose(result), fontsize=8, color="0.3", x=0.02, ha="left")
    return figure


def _whose(result: RankGrids) -> str:
    """Long paths from their end, which tells adapters apart and fits below a single layer's panels."""
    return "\n".join(
        f"{name}: {source if len(source) <= _MOST_LETTERS else '…' + source[-_MOST_LETTERS:]}"
        for name, source in names(result)
    )
