"""Scores of methods by task: Table 2 as a figure, and the way there."""

from __future__ import annotations

import math
from collections.abc import Sequence

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from ..show.style import METHODS
from .scores import TaskScores


def scores_plot(tasks: Sequence[TaskScores], ax: Axes | None = None) -> Axes:
    """Test scores by task: a mark a seed, a line at the mean, and what a constant answer scores.

    A run that has not learnt its task has a hollow mark, and no part in the mean.
    """
    ax = plt.gca() if ax is None else ax
    styles = _styles(tasks)
    for index, (method, (marker, colour)) in enumerate(styles.items()):
        offset = 0.3 * (index - (len(styles) - 1) / 2)
        for position, task in enumerate(tasks):
            for runs, style in ((task.learnt, "full"), (task.not_learnt, "none")):
                found = [100 * score for score in runs(method).values()]
                ax.plot(
                    [position + offset] * len(found),
                    found,
                    marker,
                    color=colour,
                    alpha=0.8,
                    fillstyle=style,
                    label=METHODS.get(method, method) if (position, style) == (0, "full") else "",
                )
            middle = 100 * task.mean(method)
            if not math.isnan(middle):
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
    ax.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    sns.despine(ax=ax)
    return ax


def scores_figure(
    tasks: Sequence[TaskScores], figure: Figure | SubFigure | None = None
) -> Figure | SubFigure:
    """`scores_plot` as a figure of its own, or filling a part of one."""
    figure = figure or Figure(figsize=(2.6 + 1.1 * len(tasks), 3.4), layout="constrained")
    scores_plot(tasks, figure.subplots())
    return figure


def curves_plot(task: TaskScores, ax: Axes | None = None) -> Axes:
    """Development score of every run over its epochs: a line a seed, of its method's colour."""
    ax = plt.gca() if ax is None else ax
    for method, (marker, colour) in _styles([task]).items():
        for number, curve in enumerate(task.curves.get(method, {}).values()):
            epochs, scores = zip(*curve, strict=True)
            ax.plot(
                epochs,
                [100 * score for score in scores],
                marker,
                ls="-",
                color=colour,
                alpha=0.8,
                lw=1.2,
                ms=4,
                label=METHODS.get(method, method) if number == 0 else "",
            )
    ax.set_title(f"{task.task}, {task.metric}")
    ax.set_xlim(left=0)
    ax.set_xlabel("epoch")
    sns.despine(ax=ax)
    return ax


def curves_figure(
    tasks: Sequence[TaskScores], figure: Figure | SubFigure | None = None
) -> Figure | SubFigure:
    """`curves_plot` of every task, side by side: a figure of its own, or filling a part of one."""
    columns = min(len(tasks), 4)
    rows = -(-len(tasks) // columns)
    size = (1.4 + 2.4 * columns, 0.4 + 2.4 * rows)
    figure = figure or Figure(figsize=size, layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for task, ax in zip(tasks, panels, strict=False):
        curves_plot(task, ax)
    for ax in panels[len(tasks) :]:
        ax.remove()
    figure.supylabel("development score, percent", fontsize="medium")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, fontsize="small", loc="outside right center")
    return figure


def _styles(tasks: Sequence[TaskScores]) -> dict[str, tuple[str, tuple[float, float, float]]]:
    """Marker and colour of every method, the same in every figure of these tasks."""
    methods = dict.fromkeys(method for task in tasks for method in task.scores)
    styles = zip(("o", "s", "^"), sns.color_palette("colorblind"), strict=False)
    return dict(zip(methods, styles, strict=False))
