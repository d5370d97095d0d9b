"""An adapter over its training → matplotlib. Computes nothing; conventions as in `plots`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...labelled import Array
from ...show.style import COLOURS, log_axis
from .result import DynamicsResult, over_layers
from .tables import whereto

_STYLES: Mapping[str, tuple[str, str, int, str]] = {
    "A": ("$A$ (right)", "-", 0, "o"),
    "B": ("$B$ (left)", "--", 1, "s"),
    "delta_left": ("$\\Delta W$ (left)", ":", 2, "x"),
    "delta_right": ("$\\Delta W$ (right)", "-.", 3, "+"),
}
_NORMS: Mapping[str, tuple[str, str, int, str]] = {
    "delta": ("$\\|\\Delta W\\|_F$", ":", 2, "x"),
    "A": ("$\\|A\\|_F$", "-", 0, "o"),
    "B": ("$\\|B\\|_F$", "--", 1, "s"),
}
_RANKS: Mapping[str, tuple[str, str, int, str]] = {
    "stable": ("stable rank", "-", 4, "o"),
    "effective": ("effective rank (of $s$)", "--", 5, "s"),
}
_MOST_MARKED = 40  # checkpoints; above it marks run into each other
_MOST_NUMBERED = 30  # rows of the heat map that can each be numbered


def trajectory(
    result: DynamicsResult,
    ax: Axes | None = None,
    *,
    to: Literal["end", "start"] = "end",
    bands: bool = True,
) -> Axes:
    """φ to the end point or to the start by step: mean over the layers, a band from lowest to highest.

    Args:
        result: From `dynamics`.
        ax: Where to draw; the current axes by default.
        to: ``end`` or ``start``.
        bands: Shade from the lowest to the highest layer.
    """
    ax = plt.gca() if ax is None else ax
    grids = result.to_end if to == "end" else result.to_start
    _lines(result, ax, grids, _STYLES, bands=bands)
    chance = {round(float(b.mean), 6): b for b in result.baselines.values()}
    for k, baseline in enumerate(chance.values()):
        ax.axhline(
            float(baseline.mean), color="0.5", lw=1, zorder=0,
            label="unrelated subspaces" if k == 0 else None,
        )  # fmt: skip
    ax.set_ylim(0, 1.03)
    ax.set_ylabel("φ")
    ax.set_title(f"φ to {whereto(result, to)}", fontsize=11)
    return ax


def size_plot(result: DynamicsResult, ax: Axes | None = None) -> Axes:
    """Frobenius norms of ΔW, A and B by step, on a logarithmic scale."""
    ax = plt.gca() if ax is None else ax
    positive = {matrix: np.where(grid > 0, grid, np.nan) for matrix, grid in result.norms.items()}
    _lines(result, ax, positive, _NORMS, bands=True)
    log_axis(ax)
    ax.set_ylabel("norm")
    ax.set_title("Norms", fontsize=11)
    return ax


def rank_plot(result: DynamicsResult, ax: Axes | None = None) -> Axes:
    """Stable and effective rank of ΔW by step."""
    ax = plt.gca() if ax is None else ax
    _lines(result, ax, result.ranks, _RANKS, bands=True)
    ax.set_ylim(bottom=0)
    ax.set_ylabel("rank")
    ax.set_title("Ranks of $\\Delta W$", fontsize=11)
    return ax


def layer_heatmap(result: DynamicsResult, ax: Axes | None = None) -> Axes:
    """φ of ΔW (left) to the end point, a row a layer, a column a checkpoint; grey where there is none."""
    ax = plt.gca() if ax is None else ax
    grid = result.to_end["delta_left"].T
    mesh = ax.pcolormesh(np.ma.masked_invalid(grid), vmin=0, vmax=1, cmap=COLOURS)
    ax.set_facecolor("0.85")
    ax.invert_yaxis()
    ax.set_yticks(
        [k + 0.5 for k in _thinned(len(result.layers))],
        [str(result.layers[k]) for k in _thinned(len(result.layers))],
    )
    shown = _thinned(len(result.names), 8)
    ax.set_xticks([t + 0.5 for t in shown], [result.label(t) for t in shown])
    ax.tick_params(length=0)
    ax.set_xlabel("step")
    ax.set_ylabel("layer")
    ax.set_title("$\\Delta W$ (left) to the end point, by layer", fontsize=11)
    figure = ax.get_figure()
    if figure is not None:
        bar = figure.colorbar(mesh, ax=ax, pad=0.02)
        bar.set_label("φ", rotation=0)
        bar.outline.set_visible(False)
    return ax


def figures(result: DynamicsResult) -> dict[str, Figure]:
    """Every figure, by what follows the files' stem."""
    return {"": dynamics_figure(result)}


def dynamics_figure(result: DynamicsResult) -> Figure:
    """φ to the end point, to the start and by layer above; norms and ranks below."""
    figure = Figure(figsize=(13, 6.6), layout="constrained")
    axes = figure.subplots(2, 3)
    trajectory(result, axes[0, 0])
    trajectory(result, axes[0, 1], to="start")
    layer_heatmap(result, axes[0, 2])
    size_plot(result, axes[1, 0])
    rank_plot(result, axes[1, 1])
    axes[1, 2].set_axis_off()
    handles, labels = axes[0, 0].get_legend_handles_labels()
    axes[1, 2].legend(
        handles, labels, frameon=False, loc="upper left", title="φ (upper row)", alignment="left"
    )
    axes[1, 2].text(
        0.02,
        0.05,
        "Lines: mean over the layers. Bands: lowest to highest layer.\n"
        "At the adapter's own rank A and ΔW (right) span the same,\n"
        "and so do B and ΔW (left). Grey or no mark: φ does not exist.",
        transform=axes[1, 2].transAxes,
        color="0.3",
        fontsize=9,
        in_layout=False,
    )
    figure.suptitle(
        f"{result.module} over training, i = j = {result.rank}, {len(result.layers)} layers",
        fontsize=12,
    )
    return figure


def _lines(
    result: DynamicsResult,
    ax: Axes,
    grids: Mapping[str, Array],
    styles: Mapping[str, tuple[str, str, int, str]],
    *,
    bands: bool,
) -> None:
    positions = _positions(result)
    colours = sns.color_palette("colorblind")
    for name, grid in grids.items():
        label, line, colour, marker = styles[name]
        ax.plot(
            positions,
            over_layers(grid),
            line,
            marker=marker if len(positions) <= _MOST_MARKED else "",
            ms=5,
            mfc="none",
            color=colours[colour],
            label=label,
        )
        if bands:
            ax.fill_between(
                positions,
                grid.min(axis=1),
                grid.max(axis=1),
                color=colours[colour],
                alpha=0.12,
                lw=0,
            )
    ticks = _apart(positions)
    ax.set_xticks([positions[t] for t in ticks], [result.label(t) for t in ticks])
    margin = 0.03 * (positions[-1] - positions[0]) or 0.5
    ax.set_xlim(positions[0] - margin, positions[-1] + margin)
    ax.set_xlabel("step")
    if styles is not _STYLES:
        ax.legend(frameon=False, fontsize=9)
    sns.despine(ax=ax)


def _positions(result: DynamicsResult) -> list[float]:
    """Steps, and the run's own adapter a usual distance after the last: its step is not known."""
    known = [step for step in result.steps if step is not None]
    apart = (known[-1] - known[0]) / (len(known) - 1) if len(known) > 1 else 1.0
    return [known[-1] + apart if step is None else float(step) for step in result.steps]


def _apart(positions: list[float]) -> list[int]:
    """Which positions can be numbered without running into each other; the last one always."""
    least = 0.11 * (positions[-1] - positions[0])
    kept = [len(positions) - 1]
    for t in range(len(positions) - 2, -1, -1):
        if positions[kept[-1]] - positions[t] >= least:
            kept.append(t)
    return kept[::-1]


def _thinned(count: int, most: int = _MOST_NUMBERED) -> list[int]:
    """Evenly spread positions, at most `most`, the last one among them."""
    apart = -(-count // most)
    return sorted(range(count - 1, -1, -apart))
