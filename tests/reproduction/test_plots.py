"""Scores and learning curves: a mark or a line a run, at the numbers of its record."""

import math
from dataclasses import replace

import numpy as np
import pytest
from made_up_analysis import record
from measured import collisions, cut, words_of

from lora_lens.plots import curves_figure, curves_plot, scores_plot
from lora_lens.reproduction.numbers.scores import TaskScores
from lora_lens.reproduction.page.figures import curves_sheet, scores_panel, scores_sheet
from lora_lens.reproduction.page.profile_figures import profile_sheet
from lora_lens.show.drawing import with_plotly
from lora_lens.show.drawing.with_matplotlib import sheet
from lora_lens.show.paper import LEAST_POINTS, paper

CURVES = {
    "lora": {0: [(1.0, 0.7), (2.0, 0.8)], 1: [(1.0, 0.6), (2.0, 0.9)]},
    "condlora": {0: [(1.0, 0.5), (2.0, 0.55)]},
}
SCORES = {"lora": {0: 0.8, 1: 0.9}, "condlora": {0: 0.55}}
TASK = TaskScores("mrpc", "accuracy", 0.68, SCORES, {"lora": 1e-3, "condlora": 1e-3}, CURVES)


def test_a_line_a_run_of_its_methods_colour() -> None:
    ax = curves_figure([TASK]).axes[0]
    drawn = [(list(line.get_xdata()), list(line.get_ydata())) for line in ax.lines]
    assert drawn == [
        ([1.0, 2.0], [70.0, 80.0]),
        ([1.0, 2.0], [60.0, 90.0]),
        ([1.0, 2.0], [50.0, 55.00000000000001]),
    ]
    one, two, other = (line.get_color() for line in ax.lines)
    assert one == two != other
    assert ax.get_xlim()[0] == 0
    assert ax.get_title() == "MRPC, accuracy"


def test_a_long_run_has_its_methods_marks_too() -> None:
    """The legend has squares for CondLoRA; a run of 32 evaluations had none."""
    curve = [(float(epoch), 0.5) for epoch in range(1, 33)]
    long = replace(TASK, curves=CURVES | {"condlora": {0: curve}})
    *short, line = curves_figure([long]).axes[0].lines
    assert [one.get_marker() for one in (*short, line)] == ["o", "o", "s"]
    assert [one.get_markevery() for one in (*short, line)] == [1, 1, 3]


def test_a_panel_a_task_and_one_legend() -> None:
    figure = curves_figure([TASK] * 5)
    assert sum(ax.axison for ax in figure.axes) == 5
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["LoRA", "CondLoRA"]


def test_runs_of_one_evaluation_are_in_the_middle_above_their_epoch() -> None:
    """They were at the edge of an empty panel from 0.0 to 1.0."""
    once = {method: {0: [(1.0, 0.7)]} for method in CURVES}
    ax = curves_figure([replace(TASK, curves=once)]).axes[0]
    assert ax.get_xlim() == (0, 2)
    assert [(tick.get_text(), tick.get_position()[0]) for tick in ax.get_xticklabels()] == [
        ("1", 1.0)
    ]


def test_seeds_of_one_score_are_marks_beside_each_other() -> None:
    same = replace(TASK, scores={"lora": {2: 0.9, 0: 0.9, 1: 0.9}})
    marks, _ = sheet(scores_sheet([same])).axes[0].lines
    np.testing.assert_allclose(marks.get_xdata(), [0.06, -0.06, 0.0], atol=1e-12)


def test_draws_on_the_axes_given() -> None:
    ax = curves_figure([TASK]).axes[0]
    before = len(ax.lines)
    assert curves_plot(TASK, ax) is ax
    assert len(ax.lines) == before + 3


def test_scores_are_marks_and_those_of_what_was_not_learnt_are_hollow() -> None:
    unlearnt = replace(TASK, scores={"lora": {0: 0.8, 1: 0.68}, "condlora": {0: 0.55}})
    ax = scores_plot([TASK, unlearnt])
    shown = {
        (round(x, 9), round(y, 9), line.get_marker(), line.get_markerfacecolor() == "none")
        for line in ax.lines
        for x, y in zip(*map(np.ndarray.tolist, line.get_data()), strict=True)
        if math.isfinite(y)
    }
    assert {one for one in shown if one[2] == "o"} == {
        (-0.18, 80.0, "o", False), (-0.12, 90.0, "o", False), (0.82, 80.0, "o", False), (0.88, 68.0, "o", True),
    }  # fmt: skip
    assert {one for one in shown if one[2] == "s"} == {
        (0.15, 55.0, "s", True), (1.15, 55.0, "s", True),
    }  # fmt: skip
    assert sorted(one[:2] for one in shown if one[2] == "_") == [
        (-0.15, 85.0), (0.0, 68.0), (0.85, 80.0), (1.0, 68.0),
    ]  # fmt: skip
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        "LoRA", "CondLoRA", "constant answer",
    ]  # fmt: skip


def test_a_panel_a_task_on_a_scale_of_its_own() -> None:
    far = TaskScores("stsb", "pearson", 0.0, {"lora": {0: 0.99, 1: 0.985}}, {"lora": 1e-3}, {})
    figure = sheet(scores_sheet([TASK, far]))
    assert not figure.legends
    one, other = figure.axes
    assert [tick.get_text() for tick in one.get_xticklabels()] == ["LoRA", "CondLoRA"]
    assert [one.get_xlabel(), other.get_xlabel()] == [
        "a constant answer: 68.0", "a constant answer: 0.0",
    ]  # fmt: skip
    assert [one.get_title(), other.get_title()] == ["MRPC, accuracy", "STS-B, Pearson's r"]
    low, high = other.get_ylim()
    assert 98 < low < 98.5
    assert 99 < high < 100


def test_the_same_description_is_drawn_by_plotly() -> None:
    spec = with_plotly.panel(scores_panel([TASK]))
    found = {(one["marker"]["symbol"], tuple(one["y"])) for one in spec["data"] if one["y"]}
    assert ("circle", (80.0, 90.0)) in found
    assert ("square-open", (55.0,)) in found
    assert ("line-ew-open", (68.0,)) in found


@pytest.mark.parametrize("tasks", [1, 4, 8])
def test_at_a_columns_width_all_can_be_read(tasks: int) -> None:
    several = [replace(TASK, task=f"task{k}") for k in range(tasks)]
    analyses = {one.task: {0: record("value")} for one in several}
    with paper("3.25in").settings():
        for described in (
            scores_sheet(several), curves_sheet(several), profile_sheet(analyses, "value"),
        ):  # fmt: skip
            figure = sheet(described, width=3.25)
            found = words_of(figure)
            assert figure.get_figwidth() == 3.25
            assert min(one.size for one in found) >= LEAST_POINTS
            assert not collisions(found)
            assert not cut(found, figure)
