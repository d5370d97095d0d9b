"""Scores of methods by task, described: Table 2 as a figure, and the way there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from ...show.figure import (
    Axis,
    Block,
    Dash,
    Line,
    Mark,
    Marker,
    Panel,
    Sheet,
    named,
    numbers,
    positions,
)
from ..experiment.paper import NAMES, TASK_NAMES
from ..numbers.scores import TaskScores

_METRICS = {"pearson": "Pearson's r", "matthews": "Matthews correlation", "f1": "F1"}
MARKERS: tuple[Marker, ...] = ("circle", "square", "up", "diamond")
_DASHES: tuple[Dash, ...] = ("solid", "dash", "dashdot", "dot")
_MOST_MARKED = 12  # evaluations of a run: marks of more would cover the lines
_APART = 0.3  # of a task's place, between two methods
_SEEDS_APART = 0.06  # between two seeds of a method, whose scores may be the same
_MOST_COLUMNS = 4
_WIDTH = 2.6  # inches, of a task's panel
_NAME = 1.2  # inches, of a method's name


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
        x=named(
            "", [f"{_called(t)}\n{_metric(t)}" for t in tasks], low=-0.5, high=len(tasks) - 0.5
        ),
        y=Axis("test score, percent"),
        marks=tuple(marks),
        legend="right",
    )


def _of_method(
    tasks: Sequence[TaskScores], method: str, number: int, aside: float
) -> Iterator[Mark]:
    marker = MARKERS[number % len(MARKERS)]
    for hollow in (False, True):
        found = [
            (place + aside + _of_seed(task, method, seed), 100 * score)
            for place, task in enumerate(tasks)
            for seed, score in (task.not_learnt if hollow else task.learnt)(method).items()
        ]
        if found or not hollow:
            x, y = np.array(found, dtype=np.float64).reshape(-1, 2).T
            label = NAMES[method]
            yield Line(x, y, "" if hollow else label, number, "none", marker, hollow=hollow)
    means = numbers([100 * task.mean(method) for task in tasks])
    yield Line(positions(tasks) + aside, means, "", number, "none", "bar", width=2)


def _of_seed(task: TaskScores, method: str, seed: int) -> float:
    """How far to the side of its method a seed's mark is."""
    seeds = sorted(task.scores[method])
    return _SEEDS_APART * (seeds.index(seed) - (len(seeds) - 1) / 2)


def scores_sheet(tasks: Sequence[TaskScores]) -> Sheet:
    """The same, a panel a task on a scale of its own, on which seeds lie apart; what a constant answer scores is told below."""
    methods = _methods(tasks)
    names = [NAMES[method] for method in methods]
    panels = [
        Panel(
            f"{_called(task)}, {_metric(task)}",
            named(
                f"a constant answer: {100 * task.majority:.1f}",
                names,
                low=-0.5,
                high=len(names) - 0.5,
            ),
            marks=tuple(
                mark
                for k, method in enumerate(methods)
                for mark in _of_method([task], method, k, k)
            ),
        )
        for task in tasks
    ]
    width = max(_WIDTH, _NAME * len(names))
    return _sheet(panels, "Test score, percent", width, legend="none")


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
            dash=_DASHES[k % len(_DASHES)],
            marker=MARKERS[k % len(MARKERS)],
            every=-(-len(curve) // _MOST_MARKED) or 1,
            width=1.2,
        )
        for k, method in enumerate(methods or _methods([task]))
        for number, curve in enumerate(task.curves.get(method, {}).values())
    ]
    return Panel(f"{_called(task)}, {_metric(task)}", _epochs(task), marks=tuple(marks))


def _epochs(task: TaskScores) -> Axis:
    """From 0, in whole numbers; where every run has one evaluation its mark is in the middle, and no other epoch is named."""
    curves = [curve for of in task.curves.values() for curve in of.values()]
    found = sorted({epoch for curve in curves for epoch, _ in curve})
    if found and all(len(curve) == 1 for curve in curves):
        names = tuple(f"{epoch:g}" for epoch in found)
        return Axis("epoch", names, tuple(found), low=0, high=2 * found[-1])
    return Axis("epoch", low=0, whole=bool(found) and found[-1] >= 1)


def curves_sheet(tasks: Sequence[TaskScores]) -> Sheet:
    """`curves_panel` of every task, side by side."""
    return _sheet(
        [curves_panel(task, _methods(tasks)) for task in tasks], "Development score, percent"
    )


def _sheet(
    panels: Sequence[Panel],
    title: str,
    width: float = _WIDTH,
    legend: Literal["below", "none"] = "below",
) -> Sheet:
    """A panel a task, side by side."""
    columns = min(len(panels), _MOST_COLUMNS)
    rows = [panels[k : k + columns] for k in range(0, len(panels), columns)]
    size = (0.4 + width * columns, 0.8 + 2.3 * len(rows))
    return Sheet((Block(rows),), size, title=title, legend=legend)


def _called(task: TaskScores) -> str:
    """A task as tables have it."""
    return TASK_NAMES.get(task.task, task.task)


def _metric(task: TaskScores) -> str:
    """Its metric in words."""
    return _METRICS.get(task.metric, task.metric)


def _methods(tasks: Sequence[TaskScores]) -> list[str]:
    """Every method, in the order of its marker and colour in every figure of these tasks."""
    return list(dict.fromkeys(method for task in tasks for method in task.scores))
