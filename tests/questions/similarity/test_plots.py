from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from checkpoints import BertLike

from lora_lens import conversion_similarity, load_adapter, plots
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
    assert mesh.get_clim() == (0, 1)
    np.testing.assert_allclose(mesh.get_array().ravel(), result["A"].values.ravel())


def test_heatmap_of_a_baseline_on_given_axes(result: SimilarityResult) -> None:
    _, (left, right) = plt.subplots(1, 2)
    assert plots.heatmap(result["B"], right, baseline="propagated") is right
    np.testing.assert_allclose(
        right.collections[0].get_array().ravel(), result["B"].baselines["propagated"].mean.ravel()
    )
    assert not left.collections
    assert "Propagated" in right.get_title()


def test_many_layers_are_not_written_over(result: SimilarityResult) -> None:
    assert texts(plots.heatmap(result["A"], annotate=False)) == []


def test_figure_1_has_a_row_a_matrix_and_a_column_a_baseline(result: SimilarityResult) -> None:
    before = dict(plt.rcParams)
    figure = plots.similarity_figure(result)
    assert len(figure.axes) == 3 * 3 + 1
    assert all(ax.collections[0].get_clim() == (0, 1) for ax in figure.axes[:9])
    assert not plt.get_fignums()
    assert dict(plt.rcParams) == before


def test_title_says_which_system_was_solved(bert: BertLike, tmp_path: Path) -> None:
    adapter = load_adapter(tmp_path / "lora")
    result = conversion_similarity(adapter, "value", convention="consistent", draws=0)
    assert plots.heatmap(result["A"]).get_title().startswith(r"$W_0^{-\top}")
