from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from checkpoints import BertLike, write_lora

from lora_lens import load_adapter, plots, shared_subspace
from lora_lens.questions.shared.result import SharedResult


@pytest.fixture
def result(bert: BertLike, tmp_path: Path) -> SharedResult:
    return shared_subspace(load_adapter(tmp_path / "lora"), "value", draws=5)


def test_layers_are_drawn_beside_their_nulls(result: SharedResult) -> None:
    shared = result["A"]
    ax = plots.shared_layer_plot(shared)
    assert ax is plt.gca()
    captured, left_out = ax.lines
    np.testing.assert_allclose(captured.get_ydata(), shared.captured)
    np.testing.assert_allclose(left_out.get_ydata(), shared.left_out)
    bars = ax.containers
    null = shared.nulls["propagated"]
    for bar, test in zip(bars, (null.captured, null.left_out), strict=True):
        low = [patch.get_y() for patch in bar]
        high = [patch.get_y() + patch.get_height() for patch in bar]
        np.testing.assert_allclose(low, test.mean - 2 * test.sd)
        np.testing.assert_allclose(high, test.mean + 2 * test.sd)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "1", "2"]


def test_eigenvalues_and_widths_are_drawn_over_both_nulls(result: SharedResult) -> None:
    shared = result["B"]
    for draw, values, name in (
        (plots.shared_eigenvalue_plot, shared.eigenvalues, "eigenvalues"),
        (plots.shared_width_plot, shared.curve, "curve"),
    ):
        _, ax = plt.subplots()
        draw(shared, ax)
        lines = {line.get_label(): line.get_ydata() for line in ax.lines}
        np.testing.assert_allclose(lines["this adapter"], values)
        for null, label in (("gaussian", "unrelated"), ("propagated", "random factors")):
            line = next(data for found, data in lines.items() if found.startswith(label))
            np.testing.assert_allclose(line, getattr(shared.nulls[null], name).mean)
        assert len(ax.collections) == 2
        plt.close("all")


def test_figure_has_a_row_a_matrix_and_touches_no_global_state(
    bert: BertLike, tmp_path: Path, result: SharedResult
) -> None:
    before = dict(plt.rcParams)
    figure = plots.shared_figure(result)
    assert len(figure.axes) == 8
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "unrelated subspaces", "predicted", "captured", "left out", "random factors, same W0", "this adapter",
    ]  # fmt: skip
    for ax in figure.axes:
        tops = [patch.get_y() + patch.get_height() for patch in ax.patches]
        assert max(tops, default=0) < ax.get_ylim()[1]
        told = [text.get_text() for text in ax.texts]
        assert told == {"λ": ["1/L", "k = 4"], "c": ["k = 4"]}.get(ax.get_ylabel()[0], [])
    undrawn = shared_subspace(load_adapter(tmp_path / "lora"), "value", draws=0, matrices=["A"])
    assert len(plots.shared_figure(undrawn).axes) == 4
    assert not plt.get_fignums()
    assert dict(plt.rcParams) == before


def test_of_one_layer_nothing_is_left_out_and_its_mark_stands_at_its_tick(
    bert: BertLike, tmp_path: Path
) -> None:
    bert.layers = 1
    alone = shared_subspace(
        write_lora(tmp_path / "alone", bert, base=str(tmp_path / "base")), "value", draws=5
    )
    figure = plots.shared_figure(alone)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "captured", "unrelated subspaces", "random factors, same W0", "this adapter",
    ]  # fmt: skip
    assert "predicted" not in legend.get_title().get_text()
    for ax in figure.axes[::3]:
        (captured,) = ax.lines
        assert captured.get_xdata() == ax.get_xticks() == [0]
        ((bar,),) = ax.containers
        assert bar.get_x() + bar.get_width() / 2 == 0


def test_what_is_carried_over_is_drawn_beside_its_null(bert: BertLike, tmp_path: Path) -> None:
    write_lora(tmp_path / "other", bert, base=str(tmp_path / "base"), seed=5)
    over = shared_subspace(tmp_path / "lora", "value", other=tmp_path / "other", draws=5)
    figure = plots.shared_figure(over)
    assert "the other's factors" in figure.get_suptitle()
    note = figure.legends[0].get_title().get_text()
    assert note.endswith("\nthis adapter: lora; the other: other; base: base")
    assert "at what is carried over" in note
    for ax, shared in zip(figure.axes[::4], over.values(), strict=True):
        carried = shared.carried
        assert carried is not None
        assert ax.get_title() == f"{shared.matrix} of the other adapter: carried over"
        lines = {line.get_label(): line.get_ydata() for line in ax.lines}
        np.testing.assert_allclose(lines["carried over"], carried.share)
        (bar,) = ax.containers
        mean, sd = carried.by_layer.mean, carried.by_layer.sd
        np.testing.assert_allclose([patch.get_y() for patch in bar], mean - 2 * sd)
        np.testing.assert_allclose([patch.get_height() for patch in bar], 4 * sd)
    _, alone = plt.subplots()
    plots.shared_predicted_plot(over["B"].carried, alone)
    assert "carried over" in alone.get_title()
    plt.close("all")
