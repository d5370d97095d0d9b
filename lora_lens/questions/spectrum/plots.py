"""Singular values, ranks and relative norms of ΔW by layer, and intruder dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...labelled import Array
from ...show.layout import layer_number
from ...show.singular_values import layer_bar, singular_value_plot
from ...show.style import (
    COLOURS,
    MOST_ANNOTATED,
    layer_axis,
    scale,
)
from .result import LayerSpectrum, Spectrum

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


def figures(result: Spectrum) -> dict[str, Figure]:
    """Every figure, by what follows the files' stem."""
    beside = any(layer.beside_w0 for layer in result.layers)
    intruders = {"-intruders": intruder_figure(result)} if beside else {}
    return {"": spectrum_figure(result), **intruders}


def spectrum_figure(result: Spectrum) -> Figure:
    """A column a module: ΔW's singular values; its ranks by layer; where W0 is at hand, relative norms."""
    columns, rows = len(result.modules), 3 if result.base else 2
    longest = max(len(result.of(module)) for module in result.modules)
    last = max(layer.layer or 0 for layer in result.layers)
    width = min(4.5, max(3.0, 0.12 * longest + 1.5))
    figure = Figure(figsize=(width * columns + 2.2, 2.7 * rows + 0.3), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharey="row")
    for column, module in enumerate(result.modules):
        layers = result.of(module)
        singular_value_plot(layers, axes[0, column], last=last)
        axes[0, column].set_title(module, fontsize=11)
        _ranks(axes[1, column], layers)
        if result.base:
            _norms(axes[2, column], layers)
    axes[0, 0].set_ylabel("σ of ΔW")
    if any(layer.above_product_edge for layer in result.of(result.modules[-1])):
        axes[0, -1].legend(frameon=False, fontsize=8.5, loc="upper right")
    # Inside the room that the legends below it take.
    layer_bar(figure, last, cax=axes[0, -1].inset_axes((1.06, 0, 0.04, 1)))
    for row, label in zip(axes[1:], ("ranks of ΔW", "ΔW relative to W0"), strict=False):
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
    layer_axis(ax, [one.layer for one in layers])


def _norms(ax: Axes, layers: Sequence[LayerSpectrum]) -> None:
    palette = sns.color_palette("colorblind", 2)
    for (key, (label, marker, line)), colour in zip(_NORMS.items(), palette, strict=True):
        values = [getattr(one.beside_w0, key, math.nan) for one in layers]
        ax.plot(
            range(len(layers)), values, marker=marker, linestyle=line, color=colour, label=label
        )
    layer_axis(ax, [one.layer for one in layers])


def intruder_heatmap(
    result: Spectrum, module: str, k: int, ax: Axes | None = None, *, vmax: float | None = None
) -> Axes:
    """Intruder dimensions among the top k, a row a layer and a column an ε; counts in the cells."""
    ax = plt.gca() if ax is None else ax
    layers = [one.layer for one in result.of(module) if one.beside_w0]
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
        annot=len(layers) <= MOST_ANNOTATED,
        fmt=".0f",
        annot_kws={"fontsize": 8},
        cbar=False,
        linewidths=0.5,
        xticklabels=[f"{epsilon:g}" for epsilon in result.epsilons],
        yticklabels=list(map(layer_number, layers)) if len(layers) <= MOST_ANNOTATED else "auto",
    )
    ax.tick_params(length=0)
    ax.set_yticklabels(ax.get_yticklabels(), rotation=0)
    ax.set_xlabel("ε")
    ax.set_ylabel("layer")
    ax.set_title(f"{module}, top {k}", fontsize=10)
    return ax


def intruder_figure(result: Spectrum) -> Figure:
    """`intruder_heatmap`, a row a module and a column a k, each shaded from none to all of its k."""
    modules = [name for name in result.modules if any(one.beside_w0 for one in result.of(name))]
    rows, columns = len(modules), len(result.ks)
    longest = max(len(result.of(module)) for module in result.modules)
    figure = Figure(
        figsize=(2.7 * columns + 1.0, rows * (min(4.0, 0.24 * longest) + 0.9) + 0.5),
        layout="constrained",
    )
    axes = figure.subplots(rows, columns, squeeze=False)
    for row, module in zip(axes, modules, strict=True):
        for ax, k in zip(row, result.ks, strict=True):
            intruder_heatmap(result, module, k, ax)
            ax.label_outer()
    bar = figure.colorbar(scale(), ax=axes[0], pad=0.01)
    bar.set_label("share of the top k")
    bar.outline.set_visible(False)
    figure.suptitle(
        "Intruder dimensions: left singular vectors of W0+ΔW unlike all of W0's (|cos| < ε)",
        fontsize=11,
    )
    return figure
