"""φ between many adapters → matplotlib: a heat map in the order of the tree that stands beside it."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from ...show.style import (
    COLOURS,
    FACTORS,
    MOST_ANNOTATED,
    cell,
)
from .result import MatrixResult

_MOST_LABELLED = 120  # adapters; above it not even the names would
_ALONE = "0.6"
_TOLD_APART = (
    0,
    1,
    2,
    3,
    4,
    5,
    9,
)  # without grey, which is of none, and two too pale to read as text


def dendrogram(result: MatrixResult, ax: Axes | None = None) -> Axes:
    """The tree of 1 − φ, root at the left, leaves at the right in the order of the heat map's rows.

    Branches inside one cluster have its colour; those between clusters are grey.
    """
    ax = plt.gca() if ax is None else ax
    n = len(result)
    place = {leaf: float(row) for row, leaf in enumerate(result.order)}
    heights = dict.fromkeys(range(n), 0.0)
    of = dict(enumerate(result.clusters))
    colours = cluster_colours(result)
    segments, shades = [], []
    for k, (one, other, height, _) in enumerate(result.linkage):
        first, second, node = int(one), int(other), n + k
        y = (place[first], place[second])
        x = (heights[first], heights[second])
        segments.append([(x[0], y[0]), (height, y[0]), (height, y[1]), (x[1], y[1])])
        of[node] = of[first] if of[first] == of[second] else 0
        shades.append(colours.get(of[node], _ALONE))
        place[node], heights[node] = (y[0] + y[1]) / 2, float(height)
    ax.add_collection(LineCollection(segments, colors=shades, linewidths=1.2 if n <= 60 else 0.6))
    lowest, highest = float(result.linkage[0, 2]), float(result.linkage[-1, 2])
    spread = max(highest - lowest, 0.02)
    ax.set_xlim(highest + 0.05 * spread, max(0.0, lowest - 0.3 * spread))
    ax.set_ylim(n - 0.5, -0.5)
    ax.set_yticks([])
    ax.set_xlabel("1 − φ")
    sns.despine(ax=ax, left=True)
    return ax


def adapter_heatmap(result: MatrixResult, ax: Axes | None = None) -> Axes:
    """φ between every two adapters in the order of the tree; the diagonal, 1 by definition, is grey.

    The colour scale ends above the highest φ off the diagonal, in tenths, so that small values are told
    apart; the values are written up to 16 adapters, names (in their cluster's colour) up to 120.
    """
    ax = plt.gca() if ax is None else ax
    n = len(result)
    order = list(result.order)
    values = result.values[np.ix_(order, order)]
    shown = np.ma.masked_array(values, mask=np.eye(n, dtype=bool))
    top = float(min(1.0, max(0.1, np.ceil(10 * shown.max() - 1e-9) / 10)))
    ax.set_facecolor("0.88")
    image = ax.imshow(shown, vmin=0, vmax=top, cmap=COLOURS, interpolation="nearest", aspect="auto")
    if n <= MOST_ANNOTATED:
        for row in range(n):
            for column in range(n):
                dark = row != column and values[row, column] > 0.5 * top
                ax.text(
                    column, row, cell(float(values[row, column])), ha="center", va="center",
                    fontsize=9 if n <= 8 else 7, color="white" if dark else "black",
                )  # fmt: skip
    ax.yaxis.tick_right()
    if n <= _MOST_LABELLED:
        names = [result.names[k] for k in order]
        size = 9 if n <= 20 else 7 if n <= 60 else 5
        ax.set_xticks(range(n), names, rotation=90, fontsize=size)
        ax.set_yticks(range(n), names, fontsize=size)
        colours = cluster_colours(result)
        for labels in (ax.get_xticklabels(), ax.get_yticklabels()):
            for label, adapter in zip(labels, order, strict=True):
                label.set_color(colours.get(result.clusters[adapter], "0.15"))
    else:
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_xlabel(f"{n} adapters, in the order of the tree")
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.set_label("adapters")
    image.set_label("φ")
    return ax


def figures(result: MatrixResult) -> dict[str, Figure]:
    """Every figure, by what follows the files' stem."""
    return {"": matrix_figure(result)}


def matrix_figure(result: MatrixResult) -> Figure:
    """The tree, the heat map in its order, and the colour scale with what chance gives marked on it."""
    n = len(result)
    shown = n <= _MOST_LABELLED
    side = (
        min(11.0, max(3.0, (0.42 if n <= 20 else 0.17 if n <= 60 else 0.09) * n)) if shown else 8.0
    )
    label = 0.085 * max(map(len, result.names)) * (1 if n <= 20 else 0.7) if shown else 0.2
    figure = Figure(figsize=(side + 2.9 + label, side + 1.1 + label), layout="constrained")
    left, middle = figure.subplots(1, 2, width_ratios=[1.5, side], sharey=False)
    dendrogram(result, left)
    adapter_heatmap(result, middle)
    bar = figure.colorbar(
        middle.images[0], ax=[left, middle], location="right", shrink=0.6, pad=0.03, aspect=25
    )
    bar.set_label("φ", rotation=0, labelpad=8)
    bar.outline.set_visible(False)
    off = ~np.eye(n, dtype=bool)
    for chance in {float(result.gaussian_mean[off].min()), float(result.gaussian_mean[off].max())}:
        bar.ax.axhline(chance, color="crimson", lw=1.5)
    ranks = f"{result.ranks.min()}" if result.ranks.min() == result.ranks.max() else "own rank"
    figure.suptitle(
        f"φ of {FACTORS[result.matrix]} ({result.side}), {result.module}, i = j = {ranks}, "
        f"mean of {len(result.layers)} layers",
        fontsize=11,
    )
    figure.supxlabel(
        "Names and branches have their cluster's colour. Red on the scale: unrelated subspaces.",
        fontsize=8,
        color="0.3",
    )
    return figure


def cluster_colours(result: MatrixResult) -> dict[int, str]:
    """A colour a cluster of two or more; there are more clusters than colours, neighbours differ."""
    palette = [sns.color_palette("colorblind").as_hex()[k] for k in _TOLD_APART]
    several = [number for number, members in result.members().items() if len(members) > 1]
    return {number: palette[k % len(palette)] for k, number in enumerate(several)}
