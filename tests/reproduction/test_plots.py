"""Learning curves: a line a run, at the numbers of its history."""

from lora_lens.plots import curves_figure, curves_plot
from lora_lens.reproduction.scores import TaskScores

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
    assert ax.get_title() == "mrpc, accuracy"


def test_a_panel_a_task_and_one_legend() -> None:
    figure = curves_figure([TASK] * 5)
    assert len(figure.axes) == 5
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["LoRA", "CondLoRA"]


def test_draws_on_the_axes_given() -> None:
    ax = curves_figure([TASK]).axes[0]
    before = len(ax.lines)
    assert curves_plot(TASK, ax) is ax
    assert len(ax.lines) == before + 3
