"""Table 3 as a figure: φ between LoRA and CondLoRA over the layers, beside the paper's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from ..show.drawn_axes import name
from ..show.layout import LABELS
from .paper import TABLE_3, VALUE_MODULES
from .table3 import profile

_Analyses = Mapping[str, Sequence[Mapping[str, Any]]]


def profile_plot(analyses: _Analyses, module: str, matrix: str, ax: Axes | None = None) -> Axes:
    """φ by layer: a line a task, the paper's dashed, unrelated subspaces' mean ± 2 sd of a layer grey."""
    ax = plt.gca() if ax is None else ax
    colours = sns.color_palette("colorblind")
    for (task, records), colour in zip(analyses.items(), colours, strict=False):
        found = records[0][module]["comparison"]
        ax.plot(
            found["layers"], profile(records, module, matrix), "o-", color=colour, label=task, ms=4, lw=1.2
        )  # fmt: skip
    chance = found["matrices"][matrix]["baseline"]
    ax.axhspan(
        chance["mean"] - 2 * chance["sd"],
        chance["mean"] + 2 * chance["sd"],
        color="0.85",
        zorder=0,
        label="unrelated",
    )
    papers = TABLE_3[matrix] if module in VALUE_MODULES else ()
    if len(papers) == len(found["layers"]):
        ax.plot(found["layers"], papers, "k--", lw=1.2, label="paper")
    ax.set_title(LABELS[matrix])
    ax.set_xlabel("layer")
    name(ax, "x", found["layers"], [str(layer) for layer in found["layers"]])
    sns.despine(ax=ax)
    return ax


def profile_figure(
    analyses: _Analyses, module: str, figure: Figure | SubFigure | None = None
) -> Figure | SubFigure:
    """`profile_plot` of A, B and ΔW side by side: a figure of its own, or filling a part of one."""
    figure = figure or Figure(figsize=(9.2, 2.8), layout="constrained")
    panels = figure.subplots(1, len(TABLE_3), sharey=True)
    for matrix, ax in zip(TABLE_3, panels, strict=True):
        profile_plot(analyses, module, matrix, ax)
    panels[0].set_ylim(bottom=0)  # last: a limit set before would cut the panels that share it
    panels[0].set_ylabel(f"φ(LoRA, CondLoRA), {module}")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, fontsize=9, loc="outside right center")
    return figure
