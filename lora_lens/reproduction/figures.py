"""Scores of methods by task, described: Table 2 as a figure, and the way there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..show.figure import Axis, Block, Line, Mark, Marker, Panel, Sheet, named, numbers, positions
from .paper import NAMES
from .scores import TaskScores

_MARKERS: tuple[Marker, ...] = ("circle", "square", "up", "diamond")
_APART = 0.3  # of a task's place, between two methods
_MOST_COLUMNS = 4


def scores_panel(tasks: Sequence[TaskScores]) -> Panel:
    """Test scores by task: a mark a seed, a bar at the mean, and what a constant answer scores.

    A run that has not learnt its task has a hollow mark, and no part in the mean.
    """
    methods = _methods(tasks)
    constant = numbers([100 * task.majority for task in tasks])
    marks: list[Mark] = []
    for k, method in enumerate(methods):
        marks += _of_method(tasks, method, k, _APART * (k - (len(methods) - 1) / 2))
    marks.append(
        Line(positions(tasks), constant, "constant answer", "grey", "none", "bar", width=2)
    )
    return Panel(
        x=named("", [f"{t.task}\n{t.metric}" for t in tasks], low=-0.5, high=len(tasks) - 0.5),
        y=Axis("test score, percent"),
        marks=tuple(marks),
        legend="right",
    )


def _of_method(
    tasks: Sequence[TaskScores], method: str, number: int, aside: float
) -> Iterator[Mark]:
    marker = _MARKERS[number % len(_MARKERS)]
    for hollow in (False, True):
        found = [
            (place + aside, 100 * score)
            for place, task in enumerate(tasks)
            for score in (task.not_learnt if hollow else task.learnt)(method).values()
        ]
        if found or not hollow:
            x, y = np.array(found, dtype=np.float64).reshape(-1, 2).T
            label = NAMES[method]
            yield Line(x, y, "" if hollow else label, number, "none", marker, hollow=hollow)
    means = numbers([100 * task.mean(method) for task in tasks])
    yield Line(positions(tasks) + aside, means, "", number, "none", "bar", width=2)


def scores_sheet(tasks: Sequence[TaskScores]) -> Sheet:
    """`scores_panel` as a figure of its own."""
    return Sheet((Block([[scores_panel(tasks)]]),), (2.6 + 1.1 * len(tasks), 3.4))


def curves_panel(task: TaskScores, methods: Sequence[str] = ()) -> Panel:
    """Development score of every run over its epochs: a line a seed, of its method's colour.

    Args:
        task: Its scores, with their curves.
        methods: In the order of their colours; by default the task's own.
    """
    marks = [
        Line(
            np.array([epoch for epoch, _ in curve], dtype=np.float64),
            np.array([100 * score for _, score in curve], dtype=np.float64),
            label="" if number else NAMES[method],
            colour=k,
            marker=_MARKERS[k % len(_MARKERS)],
            width=1.2,
        )
        for k, method in enumerate(methods or _methods([task]))
        for number, curve in enumerate(task.curves.get(method, {}).values())
    ]
    return Panel(f"{task.task}, {task.metric}", Axis("epoch", low=0), marks=tuple(marks))


def curves_sheet(tasks: Sequence[TaskScores]) -> Sheet:
    """`curves_panel` of every task, side by side."""
    columns = min(len(tasks), _MOST_COLUMNS)
    panels = [curves_panel(task, _methods(tasks)) for task in tasks]
    rows = [panels[k : k + columns] for k in range(0, len(panels), columns)]
    return Sheet(
        (Block(rows),),
        (0.4 + 2.6 * columns, 0.8 + 2.3 * len(rows)),
        title="Development score, percent",
        legend="below",
    )


def _methods(tasks: Sequence[TaskScores]) -> list[str]:
    """Every method, in the order of its marker and colour in every figure of these tasks."""
    return list(dict.fromkeys(method for task in tasks for method in task.scores))
