"""How much ΔW amplifies directions of W0, by layer: Table 7 of Hu et al. 2022 as a figure."""

from __future__ import annotations

import math

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...show.style import layer_axis, log_axis
from .result import Amplification


def amplification_plot(result: Amplification, ax: Axes | None = None) -> Axes:
    """‖UᵀW0V‖_F by layer in the directions of ΔW, of W0, and random ones, beside ‖ΔW‖_F; log scale."""
    ax = plt.gca() if ax is None else ax
    layers = result.layers
    series = {
        "W0 in its own top r": [one.w0_in_w0 for one in layers],
        "‖ΔW‖$_F$": [one.delta_norm for one in layers],
        "W0 in ΔW's top r": [one.w0_in_delta for one in layers],
        "W0 in r random ones": [one.w0_in_random for one in layers],
    }
    styles = zip(("s", "o", "^", ""), ("--", "-", "-.", ":"), strict=True)
    for (label, values), (marker, line), colour in zip(
        series.items(), styles, [*sns.color_palette("colorblind", 3), "0.4"], strict=True
    ):
        ax.plot(
            range(len(layers)), values, marker=marker, linestyle=line, color=colour, label=label
        )
    log_axis(ax)
    layer_axis(ax, [one.layer for one in layers])
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
    layer_axis(ax, [one.layer for one in layers])
    ax.set_ylabel("‖ΔW‖$_F$ / ‖UᵀW0V‖$_F$")
    ax.set_title("Amplification factor", fontsize=11)
    ax.legend(frameon=False, fontsize=8.5, loc="upper left", bbox_to_anchor=(0, -0.2))
    return ax


def figures(result: Amplification) -> dict[str, Figure]:
    """Every figure, by what follows the files' stem."""
    return {"": amplification_figure(result)}


def amplification_figure(result: Amplification) -> Figure:
    """`amplification_plot` beside `factor_plot`."""
    width = min(7.0, max(4.2, 0.2 * len(result.layers) + 2))
    figure = Figure(figsize=(2 * width + 0.4, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    amplification_plot(result, left)
    factor_plot(result, right)
    return figure
