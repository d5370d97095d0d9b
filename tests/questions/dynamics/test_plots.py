from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from checkpoints import BertLike, write_lora, write_tensors

from lora_lens import dynamics
from lora_lens.questions.dynamics.plots import (
    dynamics_figure,
    layer_heatmap,
    rank_plot,
    size_plot,
    trajectory,
)
from lora_lens.questions.dynamics.result import DynamicsResult, over_layers


@pytest.fixture
def run(tmp_path: Path) -> DynamicsResult:
    shape = BertLike(modules=("value",))
    for step in (0, 10, 300):
        write_lora(tmp_path / "run" / f"checkpoint-{step}", shape, seed=step + 1)
        if step == 0:
            zeros = {n: t * ("lora_A" in n) for n, t in shape.adapter.items()}
            write_tensors(tmp_path / "run" / "checkpoint-0", zeros)
    write_lora(tmp_path / "run", shape, seed=11)
    return dynamics(tmp_path / "run", "value")


def test_trajectories_are_the_means_by_step(run: DynamicsResult) -> None:
    for to, grids in (("end", run.to_end), ("start", run.to_start)):
        ax = trajectory(run, to=to)
        lines = [line for line in ax.lines if len(line.get_xdata()) == 4]
        # B is zero at first, and has no φ there, as ΔW has none, whose left vectors are B's from then on.
        told = {
            "A (right singular vectors)": "A",
            "B and ΔW (left singular vectors)": "B",
            "ΔW (right singular vectors)": "delta_right",
        }
        assert [line.get_label() for line in lines] == list(told)
        for line in lines:
            np.testing.assert_allclose(line.get_ydata(), over_layers(grids[told[line.get_label()]]))
            np.testing.assert_array_equal(line.get_xdata(), [0, 10, 300, 450])
        where = (
            "the end point (end)",
            "where it first exists (A: checkpoint-0; B, ΔW: checkpoint-10)",
        )
        assert ax.get_title() == f"φ to {where[to == 'start']}"
        assert [t.get_text() for t in ax.get_xticklabels()][-1] == "end"
        plt.close("all")


def test_norms_and_ranks(run: DynamicsResult) -> None:
    ax = size_plot(run)
    assert ax.get_yscale() == "log"
    norms = dict(zip(run.norms, ax.lines, strict=True))
    np.testing.assert_allclose(norms["delta"].get_ydata()[1:], over_layers(run.norms["delta"])[1:])
    assert np.isnan(norms["B"].get_ydata()[0])
    plt.close("all")
    labels = [t.get_text() for t in rank_plot(run).get_legend().get_texts()]
    assert labels == ["stable rank", "effective rank (of s)"]


def test_layers_by_checkpoints_are_grey_where_nothing_exists(run: DynamicsResult) -> None:
    ax = layer_heatmap(run)
    shown = ax.collections[0].get_array()
    np.testing.assert_array_equal(np.ma.getmaskarray(shown)[:, 0], True)
    np.testing.assert_allclose(shown[:, 1:], run.to_end["delta_left"].T[:, 1:])
    assert [t.get_text() for t in ax.get_xticklabels()] == ["0", "10", "300", "end"]


def test_dynamics_figure_touches_no_global_state(run: DynamicsResult) -> None:
    before = dict(plt.rcParams)
    figure = dynamics_figure(run)
    assert not plt.get_fignums()
    assert dict(plt.rcParams) == before
    assert len(figure.axes) == 9  # six panels, a legend below each row, the colour scale
    explained = [ax for ax in figure.axes if ax.get_legend()]
    assert [len(ax.lines) for ax in explained] == [0, 0]  # on no panel, where they lay on the bands
