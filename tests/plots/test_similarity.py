from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from checkpoints import BertLike, write_lora
from matplotlib.colors import to_rgb

from lora_lens import compare, conversion_similarity, inspect, load_adapter, plots
from lora_lens.plots.style import COLOURS
from lora_lens.results import SimilarityResult


@pytest.fixture
def result(bert: BertLike, tmp_path: Path) -> SimilarityResult:
    return conversion_similarity(load_adapter(tmp_path / "lora"), "value", draws=5)


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    assert len(plt.get_fignums()) <= 1
    plt.close("all")


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


def test_lightness_falls_evenly_so_that_the_scale_reads_in_grey() -> None:
    shades = [to_rgb(plt.get_cmap(COLOURS)(x)) for x in np.linspace(0, 1, 101)]
    lightness = np.array(shades) @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(lightness) < 0.001).all()
    assert lightness[0] - lightness[-1] > 0.8


def test_series_of_two_adapters(bert: BertLike, tmp_path: Path) -> None:
    write_lora(tmp_path / "other", BertLike(), seed=9)
    result = compare(load_adapter(tmp_path / "lora"), load_adapter(tmp_path / "other"), "value")
    ax = plots.layer_plot(result)
    for line, series in zip(ax.lines, result.values(), strict=False):
        np.testing.assert_allclose(line.get_ydata(), series.values)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["A (right)", "B (left)", "$\\Delta W$ (left)", "Gaussian, ± 2 sd"]
    assert len(plots.comparison_figure(result).axes) == 1


def test_spectra_have_a_panel_a_module_and_a_line_a_layer(bert: BertLike, tmp_path: Path) -> None:
    figure = plots.inventory_figure(inspect(load_adapter(tmp_path / "lora")))
    panels = figure.axes[:2]
    assert [ax.get_title() for ax in panels] == ["query", "value"]
    assert [len(ax.lines) for ax in panels] == [3, 3]
