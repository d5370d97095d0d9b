"""Results → matplotlib: grids over (i, j), amplification, spectra and intruder dimensions by layer."""

from __future__ import annotations

import math
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..results import Amplification, LayerSpectrum, RankGrid, RankGrids, Spectrum
from ..results.forms import Array
from ..tables.spectral import grids_title, kind_title
from .style import COLOURS

_MOST_LABELS = 8  # tick labels an axis
_MOST_ANNOTATED = 16  # layers; above it the numbers in the cells would not be read
_MOST_COLUMNS = 6


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
        bar = block.colorbar(
            ScalarMappable(Normalize(0, vmax), plt.get_cmap(COLOURS)), ax=axes, pad=0.01, aspect=15
        )
        bar.set_label("φ", rotation=0)
        bar.outline.set_visible(False)
    figure.suptitle(grids_title(result), fontsize=11)
    return figure


def amplification_plot(result: Amplification, ax: Axes | None = None) -> Axes:
    """‖UᵀW0V‖_F by layer in the directions of ΔW, of W0, and random ones, beside ‖ΔW‖_F; log scale."""
    ax = plt.gca() if ax is None else ax
    layers = result.layers
    series = {
        "W0 in its own top directions": [one.w0_in_w0 for one in layers],
        "‖ΔW‖$_F$": [one.delta_norm for one in layers],
        "W0 in ΔW's directions": [one.w0_in_delta for one in layers],
        "W0 in random directions": [one.w0_in_random for one in layers],
    }
    styles = zip(("s", "o", "^", ""), ("--", "-", "-.", ":"), strict=True)
    for (label, values), (marker, line), colour in zip(
        series.items(), styles, [*sns.color_palette("colorblind", 3), "0.4"], strict=True
    ):
        ax.semilogy(
            range(len(layers)), values, marker=marker, linestyle=line, color=colour, label=label
        )
    _layer_axis(ax, [one.layer for one in layers])
    ax.set_ylabel("Frobenius norm")
    ax.set_title(f"W0 seen in r directions, {result.module}", fontsize=11)
    ax.legend(frameon=False, fontsize=8.5, loc="upper left", bbox_to_anchor=(0, -0.2), ncols=2)
    return ax


def factor_plot(result: Amplification, ax: Axes | None = None) -> Axes:
    """The amplification factor by layer, and what it would be in random directions."""
    ax = plt.gca() if ax is None else ax
    layers = result.layers
    positions = range(len(layers))
    ax.bar(
        positions,
        [one.factor if math.isfinite(one.factor) else math.nan for one in layers],
        color="0.75",
        width=0.6,
    )
    ax.plot(
        positions,
        [one.delta_norm / one.w0_in_random for one in layers],
        "k_",
        markersize=14,
        label="in random directions",
    )
    _layer_axis(ax, [one.layer for one in layers])
    ax.set_ylabel("‖ΔW‖$_F$ / ‖UᵀW0V‖$_F$")
    ax.set_title("Amplification factor", fontsize=11)
    ax.legend(frameon=False, fontsize=8.5, loc="upper left", bbox_to_anchor=(0, -0.2))
    return ax


def amplification_figure(result: Amplification) -> Figure:
    """`amplification_plot` beside `factor_plot`."""
    width = max(4.2, 0.3 * len(result.layers) + 1.5)
    figure = Figure(figsize=(2 * width + 0.4, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    amplification_plot(result, left)
    factor_plot(result, right)
    return figure


_RANKS = {
    "rank": ("r", "", ":", "0.4"),
    "effective_rank_s": ("effective rank (s)", "o", "-", None),
    "effective_rank_s2": ("effective rank (s²)", "s", "--", None),
    "stable_rank": ("stable rank", "^", "-.", None),
    "rank_95": ("rank for 95 % of energy", "D", "", None),
}
_NORMS = {
    "relative_frobenius_norm": ("‖ΔW‖$_F$ / ‖W0‖$_F$", "o", "-"),
    "relative_spectral_norm": ("‖ΔW‖$_2$ / ‖W0‖$_2$", "s", "--"),
}


def spectrum_figure(result: Spectrum) -> Figure:
    """A column a module: ranks of ΔW by layer above and, where W0 is at hand, relative norms below."""
    columns, rows = len(result.modules), 2 if result.base else 1
    longest = max(len(result.of(module)) for module in result.modules)
    width = max(3.0, 0.25 * longest + 0.8)
    figure = Figure(figsize=(width * columns + 2.2, 2.7 * rows + 0.3), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharey="row")
    for column, module in enumerate(result.modules):
        layers = result.of(module)
        _ranks(axes[0, column], layers)
        axes[0, column].set_title(module, fontsize=11)
        if result.base:
            _norms(axes[1, column], layers)
    for row, label in zip(axes, ("ranks of ΔW", "ΔW relative to W0"), strict=False):
        row[0].set_ylabel(label)
        row[0].set_ylim(bottom=0)  # once all panels of the shared axis are drawn
        row[-1].legend(frameon=False, fontsize=8.5, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _ranks(ax: Axes, layers: Sequence[LayerSpectrum]) -> None:
    palette = iter(sns.color_palette("colorblind", 4))
    for key, (label, marker, line, colour) in _RANKS.items():
        values = [math.nan if (v := getattr(one, key)) is None else v for one in layers]
        ax.plot(
            range(len(layers)),
            values,
            marker=marker,
            linestyle=line or "none",
            color=colour or next(palette),
            label=label,
            markersize=5,
        )
    _layer_axis(ax, [one.layer for one in layers])


def _norms(ax: Axes, layers: Sequence[LayerSpectrum]) -> None:
    palette = sns.color_palette("colorblind", 2)
    for (key, (label, marker, line)), colour in zip(_NORMS.items(), palette, strict=True):
        values = [getattr(one.beside_w0, key) for one in layers]
        ax.plot(
            range(len(layers)), values, marker=marker, linestyle=line, color=colour, label=label
        )
    _layer_axis(ax, [one.layer for one in layers])


def intruder_heatmap(
    result: Spectrum, module: str, k: int, ax: Axes | None = None, *, vmax: float | None = None
) -> Axes:
    """Intruder dimensions among the top k, a row a layer and a column an ε; counts in the cells."""
    ax = plt.gca() if ax is None else ax
    layers = [one.layer for one in result.of(module)]
    rows = [row for row in result.intruders([k]) if row["module"] == module]
    counts: Array = np.array([row["count"] for row in rows], dtype=np.float64).reshape(
        len(layers), len(result.epsilons)
    )
    sns.heatmap(
        counts,
        ax=ax,
        vmin=0,
        vmax=k if vmax is None else vmax,
        cmap=COLOURS,
        annot=len(layers) <= _MOST_ANNOTATED,
        fmt=".0f",
        annot_kws={"fontsize": 8},
        cbar=False,
        linewidths=0.5,
        xticklabels=[f"{epsilon:g}" for epsilon in result.epsilons],
        yticklabels=list(map(str, layers)) if len(layers) <= _MOST_ANNOTATED else "auto",
    )
    ax.tick_params(length=0)
    ax.set_yticklabels(ax.get_yticklabels(), rotation=0)
    ax.set_xlabel("ε")
    ax.set_ylabel("layer")
    ax.set_title(f"{module}, top {k}", fontsize=10)
    return ax


def intruder_figure(result: Spectrum) -> Figure:
    """`intruder_heatmap`, a row a module and a column a k, each shaded from none to all of its k."""
    rows, columns = len(result.modules), len(result.ks)
    longest = max(len(result.of(module)) for module in result.modules)
    figure = Figure(
        figsize=(2.7 * columns + 1.0, rows * (min(4.0, 0.24 * longest) + 0.9) + 0.5),
        layout="constrained",
    )
    axes = figure.subplots(rows, columns, squeeze=False)
    for row, module in zip(axes, result.modules, strict=True):
        for ax, k in zip(row, result.ks, strict=True):
            intruder_heatmap(result, module, k, ax)
            ax.label_outer()
    bar = figure.colorbar(
        ScalarMappable(Normalize(0, 1), plt.get_cmap(COLOURS)), ax=axes, shrink=0.7, pad=0.01
    )
    bar.set_label("share of the top k")
    bar.outline.set_visible(False)
    figure.suptitle(
        "Intruder dimensions: left singular vectors of W0+ΔW unlike all of W0's (|cos| < ε)",
        fontsize=11,
    )
    return figure


def _layer_axis(ax: Axes, layers: Sequence[int]) -> None:
    step = max(1, -(-len(layers) // 16))
    ax.set_xticks(list(range(0, len(layers), step)), [str(layer) for layer in layers[::step]])
    ax.set_xlabel("layer")
    sns.despine(ax=ax)
