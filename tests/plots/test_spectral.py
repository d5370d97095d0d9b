from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from checkpoints import BertLike, write_lora
from planted import plant, unit

from lora_lens import amplification, load_adapter, rank_grids, spectrum
from lora_lens.plots import spectral as plots_spectral
from lora_lens.results import RankGrids, Spectrum


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    assert len(plt.get_fignums()) <= 1
    plt.close("all")


@pytest.fixture
def grids(bert: BertLike, tmp_path: Path) -> RankGrids:
    write_lora(tmp_path / "other", BertLike(rank=6), seed=8)
    return rank_grids(load_adapter(tmp_path / "lora"), load_adapter(tmp_path / "other"), "value")


@pytest.fixture
def found(bert: BertLike, tmp_path: Path) -> Spectrum:
    return spectrum(load_adapter(tmp_path / "lora"), ks=[1, 5], epsilons=[0.3, 0.6, 0.9])


def test_ij_heatmap_puts_i_down_and_j_right(grids: RankGrids) -> None:
    ax = plots_spectral.ij_heatmap(grids[0])
    (image,) = ax.images
    np.testing.assert_allclose(image.get_array(), grids[0].values)
    assert tuple(image.get_extent()) == (0.5, 6.5, 4.5, 0.5)
    assert image.get_clim() == (0, 1)
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("j", "i", "layer 0")
    (null,) = plots_spectral.ij_heatmap(grids[0], plt.gcf().add_subplot(), baseline=True).images
    np.testing.assert_allclose(null.get_array(), grids[0].gaussian_mean)


def test_grids_share_one_scale_that_holds_every_value(grids: RankGrids) -> None:
    figure = plots_spectral.rank_grids_figure(grids)
    panels = [ax for ax in figure.axes if ax.images]
    assert len(panels) == 4 * (3 + 1)
    limits = {ax.images[0].get_clim() for ax in panels}
    assert len(limits) == 1
    (limit,) = limits
    assert limit[0] == 0
    assert max(grid.values.max() for grid in grids) <= limit[1] <= 1
    assert not plt.get_fignums()


def test_amplification_draws_the_rows_of_table_7(bert: BertLike, tmp_path: Path) -> None:
    result = amplification(load_adapter(tmp_path / "lora"), "value")
    left, right = plots_spectral.amplification_figure(result).axes
    lines = {line.get_label(): line.get_ydata() for line in left.lines}
    inside = [one.w0_in_delta for one in result.layers]
    np.testing.assert_allclose(lines["W0 in ΔW's directions"], inside)
    np.testing.assert_allclose(
        [bar.get_height() for bar in right.patches], [x.factor for x in result.layers]
    )
    assert left.get_yscale() == "log"


def test_no_overlap_of_w0_leaves_a_gap_and_no_error(tmp_path: Path) -> None:
    w0 = np.diag(np.arange(6.0, 0, -1))
    adapter = plant(tmp_path, [w0] * 2, [(unit(6, 0), unit(6, 1).T), (unit(6, 0), unit(6, 0).T)])
    plots_spectral.amplification_figure(amplification(adapter, "value")).canvas.draw()


def test_every_rank_and_norm_lies_inside_its_panel(found: Spectrum) -> None:
    figure = plots_spectral.spectrum_figure(found)
    assert [ax.get_title() for ax in figure.axes[:2]] == ["query", "value"]
    assert len(figure.axes) == 4
    for ax in figure.axes:
        low, high = ax.get_ylim()
        assert low == 0
        assert all(max(line.get_ydata()) <= high for line in ax.lines)


def test_intruder_counts_stand_in_the_cells(found: Spectrum) -> None:
    ax = plots_spectral.intruder_heatmap(found, "value", 5)
    counts = [row["count"] for row in found.intruders([5]) if row["module"] == "value"]
    assert [text.get_text() for text in ax.texts] == list(map(str, counts))
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0.3", "0.6", "0.9"]
    assert ax.collections[0].get_clim() == (0, 5)
    assert len(plots_spectral.intruder_figure(found).axes) == 2 * 2 + 1
