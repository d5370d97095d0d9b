"""Test scores of methods by task: Table 2 as a figure."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..results import TaskScores
from .style import METHODS


def scores_plot(tasks: Sequence[TaskScores], ax: Axes | None = None) -> Axes:
    """Test scores by task: a mark a seed, a line at the mean, and what a constant answer scores."""
    ax = plt.gca() if ax is None else ax
    methods = list(dict.fromkeys(method for task in tasks for method in task.scores))
    styles = list(zip(("o", "s", "^"), sns.color_palette("colorblind"), strict=False))
    for index, (method, (marker, colour)) in enumerate(zip(methods, styles, strict=False)):
        offset = 0.3 * (index - (len(methods) - 1) / 2)
        for position, task in enumerate(tasks):
            found = [100 * score for score in task.scores.get(method, {}).values()]
            ax.plot(
                [position + offset] * len(found),
                found,
                marker,
                color=colour,
                alpha=0.8,
                label=METHODS.get(method, method) if position == 0 else "",
            )
            if found:
                middle = sum(found) / len(found)
                ax.hlines(
                    middle, position + offset - 0.1, position + offset + 0.1, color=colour, lw=2
                )
    for position, task in enumerate(tasks):
        ax.hlines(
            100 * task.majority,
            position - 0.35,
            position + 0.35,
            color="0.55",
            ls=":",
            label="constant answer" if position == 0 else "",
        )
    ax.set_xticks(range(len(tasks)), [f"{task.task}\n{task.metric}" for task in tasks])
    ax.set_ylabel("test score, percent")
    ax.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
    sns.despine(ax=ax)
    return ax


def scores_figure(tasks: Sequence[TaskScores]) -> Figure:
    """`scores_plot` as a figure of its own."""
    figure = Figure(figsize=(2.6 + 1.1 * len(tasks), 3.4), layout="constrained")
    scores_plot(tasks, figure.subplots())
    return figure
