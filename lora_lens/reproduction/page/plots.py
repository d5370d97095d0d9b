"""Scores of methods by task, drawn by matplotlib."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from ...show.drawing.with_matplotlib import Filled, draw, sheet
from ...show.to_draw import check_part, check_parts
from ..numbers.scores import TaskScores
from . import figures

_HOW = "which reproduction.runs.collect.task_scores(…) gives"


def scores_plot(tasks: Sequence[TaskScores], ax: Axes | None = None) -> Axes:
    """Test scores by task: a mark a seed, a bar at the mean, and what a constant answer scores.

    A run that has not learnt its task has a hollow mark, and no part in the mean.
    """
    check_parts(tasks, TaskScores, _HOW)
    return draw(figures.scores_panel(tasks), ax)


def scores_figure(tasks: Sequence[TaskScores], figure: Filled | None = None) -> Filled:
    """`scores_plot` as a figure of its own, or filling a part of one."""
    check_parts(tasks, TaskScores, _HOW)
    return sheet(figures.scores_sheet(tasks), figure)


def curves_plot(task: TaskScores, ax: Axes | None = None) -> Axes:
    """Development score of every run over its epochs: a line a seed, of its method's colour."""
    check_part(task, TaskScores, _HOW)
    return draw(figures.curves_panel(task), ax)


def curves_figure(tasks: Sequence[TaskScores], figure: Filled | None = None) -> Filled:
    """`curves_plot` of every task, side by side: a figure of its own, or filling a part of one."""
    check_parts(tasks, TaskScores, _HOW)
    return sheet(figures.curves_sheet(tasks), figure)
