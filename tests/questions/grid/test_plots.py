from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from checkpoints import BertLike, write_lora

from lora_lens import load_adapter, plots, rank_grids
from lora_lens.questions.grid.result import RankGrids


@pytest.fixture
def grids(bert: BertLike, tmp_path: Path) -> RankGrids:
    write_lora(tmp_path / "other", BertLike(rank=6), seed=8)
    return rank_grids(load_adapter(tmp_path / "lora"), load_adapter(tmp_path / "other"), "value")


def test_ij_heatmap_puts_i_down_and_j_right(grids: RankGrids) -> None:
    ax = plots.ij_heatmap(grids[0])
    (mesh,) = ax.collections
    np.testing.assert_allclose(mesh.get_array(), grids[0].values)
    assert (*ax.get_xlim(), *ax.get_ylim()) == (-0.5, 5.5, 3.5, -0.5)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "2", "3", "4", "5", "6"]
    assert mesh.get_clim() == (0, 1)
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("j", "i", "layer 0")
    (null,) = plots.ij_heatmap(grids[0], plt.gcf().add_subplot(), baseline=True).collections
    np.testing.assert_allclose(null.get_array(), grids[0].gaussian_mean)


def test_grids_share_one_scale_that_holds_every_value(grids: RankGrids) -> None:
    figure = plots.rank_grids_figure(grids)
    panels = [ax for ax in figure.axes if ax.collections and ax.get_xlabel() != "φ"]
    panels = [ax for ax in panels if ax.get_title()]
    assert len(panels) == 4 * (3 + 1)
    limits = {ax.collections[0].get_clim() for ax in panels}
    assert len(limits) == 1
    (limit,) = limits
    assert limit[0] == 0
    assert max(grid.values.max() for grid in grids) <= limit[1] <= 1
    assert not plt.get_fignums()
    assert figure.get_supxlabel().startswith("first: lora; second: other")
