from pathlib import Path

import numpy as np
from checkpoints import BertLike
from planted import plant, unit

from lora_lens import amplification, load_adapter, plots


def test_amplification_draws_the_rows_of_table_7(bert: BertLike, tmp_path: Path) -> None:
    result = amplification(load_adapter(tmp_path / "lora"), "value")
    left, right = plots.amplification_figure(result).axes
    lines = {line.get_label(): line.get_ydata() for line in left.lines}
    inside = [one.w0_in_delta for one in result.layers]
    np.testing.assert_allclose(lines["W0 in ΔW's top r"], inside)
    np.testing.assert_allclose(
        [bar.get_height() for bar in right.patches], [x.factor for x in result.layers]
    )
    assert left.get_yscale() == "log"


def test_no_overlap_of_w0_leaves_a_gap_and_no_error(tmp_path: Path) -> None:
    w0 = np.diag(np.arange(6.0, 0, -1))
    adapter = plant(tmp_path, [w0] * 2, [(unit(6, 0), unit(6, 1).T), (unit(6, 0), unit(6, 0).T)])
    figure = plots.amplification_figure(amplification(adapter, "value"))
    figure.canvas.draw()
    left, _ = figure.axes
    lines = {line.get_label(): line.get_ydata() for line in left.lines}
    assert np.isnan(lines["W0 in ΔW's top r"]).tolist() == [True, False]


def test_a_w0_of_nothing_is_drawn_as_a_gap(tmp_path: Path) -> None:
    w0 = np.diag(np.arange(6.0, 0, -1))
    adapter = plant(tmp_path, [w0, 0 * w0], [(unit(6, 0), unit(6, 0).T)] * 2)
    _, right = plots.amplification_figure(amplification(adapter, "value")).axes
    (chance,) = right.lines
    assert np.isnan(chance.get_ydata()).tolist() == [False, True]
