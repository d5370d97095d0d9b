"""What one shared layer captures, drawn: by layer, by width, and the mean projector's eigenvalues. Computes nothing.

Functions that take ``ax`` draw on it (the current one by default), return it, and save nothing.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...chance.against_null import NullTest
from .result import SharedResult, SharedSubspace

_CAPTURED, _LEFT_OUT = (sns.color_palette("colorblind")[k] for k in (0, 1))
_HALF = 0.18  # of a band's width
_NULLS = {"gaussian": "unrelated subspaces", "propagated": "random factors, same $W_0$"}


def shared_layer_plot(shared: SharedSubspace, ax: Axes | None = None) -> Axes:
    """Captured and left-out share by layer; bands are the null's mean ± 2 deviations."""
    ax = plt.gca() if ax is None else ax
    layers = np.arange(len(shared.layers))
    name, null = list(shared.nulls.items())[-1]
    series = (
        ("captured", shared.captured, null.captured, _CAPTURED, "o", -0.2),
        ("left out", shared.left_out, null.left_out, _LEFT_OUT, "s", 0.2),
    )
    for label, values, test, colour, marker, aside in series:
        _bands(ax, layers + aside, test, colour, f"{label}: {_NULLS[name]}")
        ax.plot(layers + aside, values, marker, color=colour, label=label, zorder=3)
    ax.set_xticks(layers, [str(layer) for layer in shared.layers])
    ax.set_xlim(-0.6, len(layers) - 0.4)
    ax.set_ylim(0, 1.05 if shared.captured.max() > 0.7 else None)
    ax.set_xlabel("layer")
    ax.set_ylabel("share of the layer's subspace")
    ax.set_title(f"{shared.matrix}: by one shared layer of width {shared.width}")
    sns.despine(ax=ax)
    return ax


def _bands(ax: Axes, positions: Any, test: NullTest[Any], colour: Any, label: str) -> None:
    """A short band a layer: what is between two layers means nothing."""
    mean, sd = (np.broadcast_to(values, positions.shape) for values in (test.mean, test.sd))
    if not np.isfinite(mean).any():
        return
    heights = np.where(np.isfinite(sd), 4 * sd, 0)
    ax.bar(
        positions,
        heights,
        2 * _HALF,
        mean - heights / 2,
        color=colour,
        alpha=0.25,
        linewidth=0,
        label=label,
    )
    ax.hlines(mean, positions - _HALF, positions + _HALF, color=colour, linewidth=1)


def shared_eigenvalue_plot(shared: SharedSubspace, ax: Axes | None = None) -> Axes:
    """Eigenvalues of the mean projector: 1 for a direction that all layers have, 1/L for one that one has."""
    ax = plt.gca() if ax is None else ax
    index = np.arange(1, len(shared.eigenvalues) + 1)
    _null_lines(ax, index, shared, "eigenvalues")
    ax.plot(index, shared.eigenvalues, ".-", color="black", linewidth=1, label="this adapter")
    ax.axhline(1 / len(shared.layers), color="0.5", linewidth=0.8, linestyle=":")
    ax.annotate(
        "1/L",
        (1, 1 / len(shared.layers)),
        xycoords=("axes fraction", "data"),
        ha="right",
        va="bottom",
        color="0.4",
        fontsize=8,
    )
    _mark_width(ax, shared)
    ax.set_ylim(0, 1.02)
    ax.set_xlabel("k")
    ax.set_ylabel("$\\lambda_k$")
    ax.set_title(f"{shared.matrix}: eigenvalues of the mean projector")
    sns.despine(ax=ax)
    return ax


def shared_width_plot(shared: SharedSubspace, ax: Axes | None = None) -> Axes:
    """Share that one layer captures, by its width."""
    ax = plt.gca() if ax is None else ax
    index = np.arange(1, len(shared.curve) + 1)
    _null_lines(ax, index, shared, "curve")
    ax.plot(index, shared.curve, color="black", linewidth=1, label="this adapter")
    _mark_width(ax, shared)
    ax.set_ylim(0, 1.02)
    ax.set_xlabel("width k of the shared layer")
    ax.set_ylabel("captured, mean over layers")
    ax.set_title(f"{shared.matrix}: by width of the shared layer")
    sns.despine(ax=ax)
    return ax


def _null_lines(ax: Axes, index: Any, shared: SharedSubspace, what: str) -> None:
    for (name, null), (colour, line) in zip(
        shared.nulls.items(), (("0.55", "--"), (_CAPTURED, "-")), strict=False
    ):
        test = getattr(null, what)
        if not np.isfinite(test.mean).any():
            continue
        ax.fill_between(
            index, test.mean - 2 * test.sd, test.mean + 2 * test.sd, color=colour, alpha=0.25, lw=0
        )
        ax.plot(index, test.mean, line, color=colour, linewidth=2, label=_NULLS[name])


def _mark_width(ax: Axes, shared: SharedSubspace) -> None:
    ax.axvline(shared.width, color="0.7", linewidth=0.8, zorder=0, label=f"k = {shared.width}")


def figures(result: SharedResult) -> dict[str, Figure]:
    """Every figure, by what follows the files' stem."""
    return {"": shared_figure(result)}


def shared_figure(result: SharedResult) -> Figure:
    """A row a matrix: by layer, by eigenvalue, by width."""
    size = min(6.0, 3.0 + 0.16 * len(result.layers))
    figure = Figure(figsize=(size + 8.0, 3.2 * len(result) + 0.9), layout="constrained")
    axes = figure.subplots(len(result), 3, squeeze=False, width_ratios=[size, 3.7, 3.7])
    for row, shared in zip(axes, result.values(), strict=True):
        for draw, ax in zip(
            (shared_layer_plot, shared_eigenvalue_plot, shared_width_plot), row, strict=True
        ):
            draw(shared, ax)
    shown = [ax.get_legend_handles_labels() for ax in (axes[0, 0], axes[0, 2])]
    handles, labels = ([item for part in shown for item in part[k]] for k in (0, 1))
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    figure.suptitle(
        f"Does one shared layer yield every layer's factor? {result.module}, rank {result.rank}, "
        f"convention {result.convention}; bands: null mean ± 2 sd",
        fontsize=11,
    )
    return figure
