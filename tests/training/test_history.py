"""A search's figure: what each trial was, where it stands, and that both drawing rooms have it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lora_lens.show.drawing import with_plotly
from lora_lens.show.drawing.with_matplotlib import sheet
from lora_lens.show.figure import Line, Panel
from lora_lens.training.history import history_sheet


def row(trial: int, state: str, score: float | None, **searched: float) -> dict[str, Any]:
    rest = {"evaluations": 2, "seconds": 1.0, "error": None}
    return {"trial": trial, "state": state, **searched, "development_score": score, **rest}


ROWS = [
    row(0, "fail", None, learning_rate=1e-3, rank=2),
    row(1, "complete", 0.5, learning_rate=1e-4, rank=4),
    row(2, "pruned", 0.9, learning_rate=5e-3, rank=8),
    row(4, "complete", 0.4, learning_rate=2e-4, rank=2),
    row(5, "complete", 0.7, learning_rate=3e-4, rank=2),
    row(6, "interrupted", None, learning_rate=3e-4),
    row(7, "pruned", 0.1, learning_rate=4e-4),
]


def panels(rows: list[dict[str, Any]]) -> list[Panel]:
    (block,) = history_sheet("sst2-lora", rows).blocks
    (found,) = block.rows
    return [panel for panel in found if panel is not None]


def lines(panel: Panel) -> dict[str, Line]:
    return {mark.label: mark for mark in panel.marks if isinstance(mark, Line)}


def test_trials_stand_at_their_score() -> None:
    marks = lines(panels(ROWS)[0])
    assert (marks["finished"].x.tolist(), marks["finished"].y.tolist()) == (
        [1, 4, 5],
        [0.5, 0.4, 0.7],
    )
    assert (marks["stopped early"].x.tolist(), marks["stopped early"].y.tolist()) == (
        [2, 7],
        [0.9, 0.1],
    )
    assert marks["stopped early"].hollow
    assert not marks["finished"].hollow


def test_the_best_so_far_is_of_those_that_finished() -> None:
    steps = lines(panels(ROWS)[0])["best so far"]
    reached = [np.max(steps.y[steps.x <= trial]) for trial in (1, 2, 4, 5, 7)]
    assert reached == [0.5, 0.5, 0.5, 0.7, 0.7]
    assert steps.x.max() == 7
    assert (np.diff(steps.x) * np.diff(steps.y) == 0).all()  # steps, and nothing between two trials


def test_a_panel_for_each_thing_that_was_searched() -> None:
    _, rate, rank = panels(ROWS)
    assert (rate.x.label, rate.x.log, rank.x.label, rank.x.log) == (
        "learning rate", True, "rank", False,
    )  # fmt: skip
    assert lines(rate)["stopped early"].x.tolist() == [5e-3, 4e-4]
    assert lines(rank)["stopped early"].x.tolist() == [8]  # the other one has no rank


@pytest.mark.parametrize(("rows", "note"), [(ROWS, "2 of 7"), (ROWS[1:3], "")])
def test_what_is_not_drawn_is_said(rows: list[dict[str, Any]], note: str) -> None:
    found = history_sheet("sst2-lora", rows).note
    assert note in found
    assert bool(found) is bool(note)


def test_the_axis_has_the_trials_without_a_score_too() -> None:
    """It began at 1 where trial 0 had none."""
    ax = sheet(history_sheet("sst2-lora", ROWS)).axes[0]
    low, high = ax.get_xlim()
    assert -1 < low < 0
    assert 7 < high < 8


def test_both_drawing_rooms_have_it() -> None:
    figure = sheet(history_sheet("a_study of $5", ROWS))
    assert [ax.get_xlabel() for ax in figure.axes] == ["trial", "learning rate", "rank"]
    assert figure.axes[1].get_xscale() == "log"
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert sorted(words) == ["best so far", "finished", "stopped early"]
    spec = with_plotly.panel(panels(ROWS)[1])
    assert spec["logAlong"]
    assert [trace["marker"]["symbol"] for trace in spec["data"]] == ["circle", "circle-open"]
