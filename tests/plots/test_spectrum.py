from pathlib import Path

import pytest
from checkpoints import BertLike

from lora_lens import load_adapter, plots, spectrum
from lora_lens.results import Spectrum


@pytest.fixture
def found(bert: BertLike, tmp_path: Path) -> Spectrum:
    return spectrum(load_adapter(tmp_path / "lora"), ks=[1, 5], epsilons=[0.3, 0.6, 0.9])


def test_every_rank_and_norm_lies_inside_its_panel(found: Spectrum) -> None:
    figure = plots.spectrum_figure(found)
    assert [ax.get_title() for ax in figure.axes[:2]] == ["query", "value"]
    assert len(figure.axes) == 4
    for ax in figure.axes:
        low, high = ax.get_ylim()
        assert low == 0
        assert all(max(line.get_ydata()) <= high for line in ax.lines)


def test_intruder_counts_stand_in_the_cells(found: Spectrum) -> None:
    ax = plots.intruder_heatmap(found, "value", 5)
    counts = [row["count"] for row in found.intruders([5]) if row["module"] == "value"]
    assert [text.get_text() for text in ax.texts] == list(map(str, counts))
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0.3", "0.6", "0.9"]
    assert ax.collections[0].get_clim() == (0, 5)
    assert len(plots.intruder_figure(found).axes) == 2 * 2 + 1
