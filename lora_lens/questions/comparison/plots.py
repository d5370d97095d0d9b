"""φ of two adapters by layer: Table 3 as a figure."""

from __future__ import annotations

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...show.style import FACTORS
from .result import ComparisonResult


def layer_plot(result: ComparisonResult, ax: Axes | None = None) -> Axes:
    """φ of A, B and ΔW by layer, with the Gaussian baseline's mean and two deviations as a band."""
    ax = plt.gca() if ax is None else ax
    positions = range(len(result.layers))
    styles = zip(("o", "s", "^"), ("-", "--", ":"), sns.color_palette("colorblind"), strict=False)
    for (matrix, series), (marker, line, colour) in zip(result.items(), styles, strict=True):
        label = matrix if matrix != "delta" else FACTORS["delta"]
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


def figures(result: ComparisonResult) -> dict[str, Figure]:
    """Every figure, by what follows the files' stem."""
    return {"": comparison_figure(result)}


def comparison_figure(result: ComparisonResult) -> Figure:
    """`layer_plot` as a figure of its own."""
    figure = Figure(figsize=(max(5.0, 0.4 * len(result.layers) + 2), 3.4), layout="constrained")
    layer_plot(result, figure.subplots())
    return figure
