from pathlib import Path

import numpy as np
from checkpoints import BertLike, write_lora
from matplotlib.figure import Figure

from lora_lens import compare, load_adapter, plots


def test_series_of_two_adapters(bert: BertLike, tmp_path: Path) -> None:
    write_lora(tmp_path / "other", BertLike(), seed=9)
    result = compare(load_adapter(tmp_path / "lora"), load_adapter(tmp_path / "other"), "value")
    ax = plots.layer_plot(result)
    for line, matrix in zip(ax.lines, "AB", strict=True):
        np.testing.assert_allclose(line.get_ydata(), result[matrix].values)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == [
        "A (right singular vectors)",
        "B and ΔW (left singular vectors)",
        "unrelated subspaces, ± 2 sd",
    ]
    below = compare(load_adapter(tmp_path / "lora"), load_adapter(tmp_path / "other"), "value", 2)
    assert len(plots.layer_plot(below, Figure().subplots()).lines) == 3
    figure = plots.comparison_figure(result)
    assert len(figure.axes) == 1
    assert figure.get_supxlabel().startswith("Beside unrelated subspaces alone: ")
    assert "\none: lora; other: other" in figure.get_supxlabel()
    figure.draw_without_rendering()
    (note,), legend = figure.texts, figure.axes[0].get_legend()
    assert note.get_window_extent().y1 <= legend.get_window_extent().y0
    assert legend.get_window_extent().x1 <= figure.bbox.width
