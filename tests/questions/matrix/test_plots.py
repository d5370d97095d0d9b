from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from checkpoints import BertLike, write_lora
from matplotlib.colors import to_hex

from lora_lens import adapter_matrix
from lora_lens.core.many_adapters.clustering import Cut
from lora_lens.questions.matrix.figures import cluster_colours, matrix_sheet
from lora_lens.questions.matrix.plots import adapter_heatmap, dendrogram, matrix_figure
from lora_lens.questions.matrix.result import MatrixResult
from lora_lens.questions.matrix.tables import cluster_table, grid_table, pair_table
from lora_lens.show.style import colour


@pytest.fixture
def matrix(tmp_path: Path) -> MatrixResult:
    """Two copies of one adapter, two of another, and one alone."""
    for k, seed in enumerate((1, 2, 1, 2, 3)):
        write_lora(tmp_path / f"s{k}", BertLike(modules=("value",)), seed=seed)
    return adapter_matrix([tmp_path], "value")


def test_heat_map_is_in_the_order_of_the_tree_and_shows_the_values(matrix: MatrixResult) -> None:
    ax = adapter_heatmap(matrix)
    order = list(matrix.order)
    names = [matrix.names[k] for k in order]
    assert [label.get_text() for label in ax.get_yticklabels()] == names
    assert [label.get_text() for label in ax.get_xticklabels()] == names
    shown = ax.collections[0].get_array()
    expected = matrix.values[np.ix_(order, order)]
    off = ~np.eye(5, dtype=bool)
    np.testing.assert_array_equal(np.ma.getmaskarray(shown), ~off)
    np.testing.assert_allclose(np.ma.getdata(shown)[off], expected[off])
    written = [text.get_text() for text in ax.texts]
    assert written == [
        "1" if v >= 0.995 else f"{v:.2f}".removeprefix("0") for v in expected.ravel()
    ]
    colours = cluster_colours(matrix)
    for label, adapter in zip(ax.get_yticklabels(), order, strict=True):
        assert label.get_color() == colour(colours.get(matrix.clusters[adapter], "black"))
    assert len(colours) == 2


def test_colour_scale_covers_what_is_off_the_diagonal(matrix: MatrixResult) -> None:
    low = np.where(np.eye(5, dtype=bool), 1.0, 0.13)
    assert adapter_heatmap(replace(matrix, values=low)).collections[0].get_clim() == (0, 0.2)
    plt.close("all")
    assert adapter_heatmap(matrix).collections[0].get_clim() == (0, 1)


def test_dendrogram_has_a_branch_a_merge_at_its_height(matrix: MatrixResult) -> None:
    ax = dendrogram(matrix)
    (branches,) = ax.collections
    segments = branches.get_segments()
    assert len(segments) == 4
    np.testing.assert_allclose([s[1][0] for s in segments], matrix.linkage[:, 2])
    leaves = {y for s in segments for x, y in (s[0], s[3]) if x == 0}
    assert leaves >= {0.0, 1.0, 2.0, 3.0, 4.0}
    colours = {to_hex(colour) for colour in branches.get_colors()}
    assert colours >= set(map(colour, cluster_colours(matrix).values()))
    low, high = ax.get_ylim()
    assert (low, high) == (4.5, -0.5)


@pytest.mark.parametrize(
    ("cut", "told"),
    [("chance", "cut: chance"), ("gap", "cut: largest gap"), ("given", "cut: as asked")],
)
def test_dendrogram_has_a_line_with_its_name_at_the_cut(
    matrix: MatrixResult, cut: Cut, told: str
) -> None:
    ax = dendrogram(replace(matrix, cut=cut))
    (line,) = ax.lines
    assert len(matrix.members()) == 3
    assert matrix.linkage[1, 2] < line.get_xdata()[0] < matrix.linkage[2, 2]
    assert [text.get_text() for text in ax.texts] == [told]
    for clusters in ((1, 2, 3, 4, 5), (1, 1, 1, 1, 1)):
        other = dendrogram(replace(matrix, cut=cut, clusters=clusters), plt.figure().subplots())
        last, first = other.get_xlim()
        assert first <= other.lines[0].get_xdata()[0] < last
    plt.close("all")


def test_matrix_figure_marks_chance_on_the_scale(matrix: MatrixResult) -> None:
    before = dict(plt.rcParams)
    figure = matrix_figure(matrix)
    assert not plt.get_fignums()
    assert dict(plt.rcParams) == before
    tree, heat, bar = figure.axes
    assert tree.get_ylim() == heat.get_ylim()
    marks = [line.get_ydata()[0] for line in bar.lines if to_hex(line.get_color()) == "#dc143c"]
    assert marks == pytest.approx([4 / 24] * len(marks))
    assert marks
    assert "i = j = 4" in figure.get_suptitle()


def test_of_one_pair_there_is_no_tree(tmp_path: Path) -> None:
    """It said no more than the one number does."""
    for k in (1, 2):
        write_lora(tmp_path / f"s{k}", BertLike(modules=("value",)), seed=k)
    pair = adapter_matrix([tmp_path], "value")
    figure = matrix_figure(pair)
    heat, bar = figure.axes
    assert len(heat.texts) == 4
    assert bar.get_ylabel() == "φ"
    assert figure.get_supxlabel() == "Red on the scale: unrelated subspaces, 0.167."
    assert "cluster" not in pair.to_markdown()


def test_many_adapters_are_not_written_over(matrix: MatrixResult) -> None:
    for n, labelled, annotated in ((16, True, True), (17, True, False), (130, False, False)):
        values = np.full((n, n), 0.2) + 0.8 * np.eye(n)
        heights = np.linspace(0.7, 0.9, n - 1)
        linkage = np.array(
            [[0 if k == 0 else n + k - 1, k + 1, heights[k], k + 2] for k in range(n - 1)]
        )
        result = replace(
            matrix, names=tuple(f"adapter-{k}" for k in range(n)), values=values, linkage=linkage,
            ranks=np.full((n, 3), 4), gaussian_mean=np.full((n, n), 0.1), order=tuple(range(n)),
            gaussian_sd=np.full((n, n), 0.01), clusters=(1,) * n, by_layer=None,
        )  # fmt: skip
        ax = adapter_heatmap(result)
        assert bool(ax.texts) == annotated
        assert len(ax.get_yticklabels()) == n * labelled
        plt.close("all")
        figure = matrix_figure(result)
        assert max(figure.get_size_inches()) < 20
        figure.draw_without_rendering()


def test_a_very_long_name_takes_no_more_room_than_a_long_one(matrix: MatrixResult) -> None:
    """A name of 230 letters made a figure of which nine tenths were white, and a table of ten parts."""
    long = replace(matrix, names=("x" * 115 + "y" * 115, *matrix.names[1:]))
    usual = replace(matrix, names=("x" * 40, *matrix.names[1:]))
    assert matrix_sheet(long).size == matrix_sheet(usual).size
    for made in (grid_table(long), pair_table(long), cluster_table(long)):
        cells = [cell for row in made.rows for cell in row]
        assert max(map(len, cells)) <= len("1 ") + 40 + 2 * len(", s1")
    assert "x" * 115 + "y" * 115 in long.to_frame().to_csv()
