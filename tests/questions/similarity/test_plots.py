from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from checkpoints import BertLike
from matplotlib.figure import Figure

from lora_lens import conversion_similarity, load_adapter, plots
from lora_lens.chance.null_names import NullName
from lora_lens.questions.similarity.figures import figures, top
from lora_lens.questions.similarity.result import SimilarityResult


@pytest.fixture
def result(bert: BertLike, tmp_path: Path) -> SimilarityResult:
    return conversion_similarity(load_adapter(tmp_path / "lora"), "value", draws=5)


def texts(ax: plt.Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def test_heatmap_shows_the_values_and_the_layers(result: SimilarityResult) -> None:
    ax = plots.heatmap(result["A"])
    assert ax is plt.gca()
    expected = [
        "1" if v >= 0.995 else f"{v:.2f}".removeprefix("0") for v in result["A"].values.ravel()
    ]
    assert texts(ax) == expected
    for labels in (ax.get_xticklabels(), ax.get_yticklabels()):
        assert [label.get_text() for label in labels] == ["0", "1", "2"]
    assert "A" in ax.get_title()
    assert "value" in ax.get_title()
    mesh = ax.collections[0]
    off = result["A"].values[~np.eye(3, dtype=bool)].max()
    assert mesh.get_clim()[0] == 0
    assert off <= mesh.get_clim()[1] <= 0.5  # what is off the diagonal is told apart
    assert plots.heatmap(result["A"], Figure().subplots(), vmax=1).collections[0].get_clim() == (
        0,
        1,
    )
    shown = mesh.get_array()
    np.testing.assert_array_equal(np.ma.getmaskarray(shown), np.eye(3, dtype=bool))  # grey
    np.testing.assert_allclose(np.ma.getdata(shown), result["A"].values)


def test_heatmap_of_a_baseline_on_given_axes(result: SimilarityResult) -> None:
    _, (left, right) = plt.subplots(1, 2)
    assert plots.heatmap(result["B"], right, baseline="propagated") is right
    np.testing.assert_allclose(
        np.ma.getdata(right.collections[0].get_array()), result["B"].baselines["propagated"].mean
    )
    assert not left.collections
    assert "Propagated" in right.get_title()


def test_many_layers_are_not_written_over(result: SimilarityResult) -> None:
    assert texts(plots.heatmap(result["A"], annotate=False)) == []


def test_figure_has_a_row_a_matrix_and_phi_chance_and_excess(result: SimilarityResult) -> None:
    before = dict(plt.rcParams)
    figure = plots.similarity_figure(result)
    assert len(figure.axes) == 2 * 3 + 2  # BA's φ are B's here, and drawn once
    assert "the same as BA" in figure.axes[3].get_title()
    limits = {ax.collections[0].get_clim() for row in (0, 3) for ax in figure.axes[row : row + 2]}
    assert len(limits) == 1
    low, high = figure.axes[2].collections[0].get_clim()
    assert low == -high
    grid = result["A"]
    mean = grid.baselines["propagated"].mean
    excess = figure.axes[2].collections[0].get_array()
    off = ~np.eye(3, dtype=bool)
    np.testing.assert_allclose(np.ma.getdata(excess)[off], ((grid.values - mean) / (1 - mean))[off])
    np.testing.assert_allclose(
        np.ma.getdata(plots.excess_heatmap(grid).collections[0].get_array())[off],
        grid.significance["propagated"].excess[off],
        atol=1e-6,  # the null is drawn in float32
    )
    assert [line.get_xdata()[0] for line in figure.axes[6].lines] == pytest.approx(
        [4 / 24], abs=1e-6
    )
    plt.close("all")
    assert dict(plt.rcParams) == before


def test_a_figure_fills_a_part_of_another(result: SimilarityResult) -> None:
    left, right = Figure(layout="constrained").subfigures(1, 2)
    assert plots.similarity_figure(result, right) is right
    assert len(right.axes) == 8
    assert not left.axes


def test_title_says_which_system_was_solved(bert: BertLike, tmp_path: Path) -> None:
    adapter = load_adapter(tmp_path / "lora")
    result = conversion_similarity(adapter, "value", convention="consistent", draws=0)
    assert plots.heatmap(result["A"]).get_title().startswith("A: W0⁻ᵀAᵀ")


@pytest.mark.parametrize("nulls", [("propagated",), ()])
def test_of_one_matrix_without_gaussian_factors_the_figures_are_drawn(
    bert: BertLike, tmp_path: Path, nulls: tuple[NullName, ...]
) -> None:
    """One grid has one number that its scale ends above, and Gaussian factors would be the second."""
    adapter = load_adapter(tmp_path / "lora")
    found = conversion_similarity(adapter, "value", matrices=("B",), nulls=nulls, draws=5)
    drawn = figures(found)
    assert set(drawn) == {"", "-figure1"}
    assert {one.blocks[0].scales[0].high for one in drawn.values()} == {top(found["B"])}
