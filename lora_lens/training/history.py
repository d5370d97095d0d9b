"""A search's trials, described: their scores in order, and beside what was searched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..labelled import Array
from ..show.figure import Axis, Block, Line, Mark, Panel, Sheet

_SCORE = "development_score"
_NOT_SEARCHED = {"trial", "state", _SCORE, "evaluations", "seconds", "folder", "error"}
_LOGARITHMIC = {"learning_rate"}  # as it is drawn from its interval
_MARGIN = 0.05  # of what lies between the first trial and the last, to both sides
_PANEL, _AROUND, _HEIGHT = 2.9, 0.7, 3.2  # inches


def history_sheet(name: str, rows: Sequence[Mapping[str, Any]]) -> Sheet:
    """A panel of scores by trial, with the best so far, and one by each value that was searched.

    A trial that was stopped early stands there with its last score, hollow: it is no result. One that
    has no score (an error, or it was interrupted) is counted below.

    Args:
        name: The study's.
        rows: As `trial_rows` gives them.
    """
    scored = [row for row in rows if row[_SCORE] is not None]
    searched = [
        key for key in dict.fromkeys(key for row in rows for key in row) if key not in _NOT_SEARCHED
    ]
    panels = [
        Panel(
            x=_of_trials(rows),
            y=Axis("development score"),
            marks=(*_best_so_far(scored), *_marks(scored, "trial")),
        )
    ]
    panels += [
        Panel(
            x=Axis(key.replace("_", " "), log=key in _LOGARITHMIC),
            y=Axis("development score"),
            marks=tuple(_marks([row for row in scored if row.get(key) is not None], key)),
        )
        for key in searched
    ]
    without = len(rows) - len(scored)
    return Sheet(
        (Block([panels], joined=True),),
        (_AROUND + _PANEL * len(panels), _HEIGHT),
        title=f"Search for {name}",
        note=f"Without a score, and not drawn: {without} of {len(rows)} trials." if without else "",
        legend="below",
    )


def _of_trials(rows: Sequence[Mapping[str, Any]]) -> Axis:
    """From the first trial to the last, whether or not these have a score."""
    numbers = [row["trial"] for row in rows]
    low, high = min(numbers, default=0), max(numbers, default=0)
    beyond = max(_MARGIN * (high - low), 0.2)
    return Axis("trial", low=low - beyond, high=high + beyond, whole=True)


def _marks(rows: Sequence[Mapping[str, Any]], along: str) -> Iterator[Mark]:
    for done, label in ((True, "finished"), (False, "stopped early")):
        found = [row for row in rows if (row["state"] == "complete") is done]
        if found:
            x, y = _of(found, along), _of(found, _SCORE)
            yield Line(x, y, label, 0, "none", "circle", hollow=not done)


def _best_so_far(rows: Sequence[Mapping[str, Any]]) -> Iterator[Mark]:
    """A flight of steps, from the first trial that finished to the last that has a score."""
    finished = [row for row in rows if row["state"] == "complete"]
    if not finished:
        return
    x, best = _of(finished, "trial"), np.maximum.accumulate(_of(finished, _SCORE))
    last = max(row["trial"] for row in rows)
    corners = np.append(np.repeat(x, 2)[1:], last)
    yield Line(corners, np.repeat(best, 2), "best so far", 1, width=1.2)


def _of(rows: Sequence[Mapping[str, Any]], key: str) -> Array:
    return np.array([float(row[key]) for row in rows])
