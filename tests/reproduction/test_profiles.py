"""Table 3 and Figure 1 by layer, with twelve layers and six, beside the paper's."""

import math

import numpy as np
import pytest
from made_up_analysis import record, seeds
from scipy import stats

from lora_lens.reproduction.experiment.paper import TABLE_3
from lora_lens.reproduction.numbers.figure1 import layer_rows
from lora_lens.reproduction.numbers.profile import likeness
from lora_lens.reproduction.page.profile_figures import profile_sheet
from lora_lens.reproduction.page.tables.figure1 import layer_table
from lora_lens.reproduction.page.tables.likeness import likeness_cells
from lora_lens.reproduction.page.tables.table3 import comparison_table
from lora_lens.show.drawing.with_matplotlib import sheet
from lora_lens.show.figure import Band, Sheet

rng = np.random.default_rng(0)


@pytest.mark.parametrize("module", ["value", "v", "v_proj"])
def test_the_papers_twelve_layers_stand_below_ours(module: str) -> None:
    ours = {matrix: np.array(values) ** 2 for matrix, values in TABLE_3.items()}
    analyses = {"stsb": seeds(2, record(module, profiles=ours))}
    table = comparison_table(analyses, module)
    head = list(table.head)
    assert head[2:14] == [str(layer) for layer in range(12)]
    rows = {(row[0], row[1]): dict(zip(head[2:], row[2:], strict=True)) for row in table.rows}
    assert rows["paper", "ΔW"]["11"] == "0.12"
    for matrix, label in (("A", "A"), ("B", "B"), ("delta", "ΔW")):
        found = rows["STS-B", label]
        # r and p by hand: t = r √(10/(1 − r²)) with ten degrees of freedom.
        r = np.corrcoef(ours[matrix], TABLE_3[matrix])[0, 1]
        p = 2 * stats.t.sf(abs(r) * math.sqrt(10 / (1 - r * r)), 10)
        assert found["r, paper's"] == f"{r:+.2f}"
        assert found["p"] == ("< 0.001" if p < 0.001 else f"{p:.3f}")
        # Two seeds: the mean's deviation is .0003/√2.
        z = (ours[matrix].mean() - 8 / 768) / (0.0003 / math.sqrt(2))
        assert found["z"].replace("−", "-") == f"{z:+.1f}"
        assert found["mismatched"] == "0.012"


def test_other_modules_and_other_depths_have_no_such_row() -> None:
    assert not [row for row in comparison_table({"stsb": {0: record("q")}}, "q").rows if row[0] == "paper"]  # fmt: skip
    six = comparison_table({"stsb": {0: record("value", layers=6)}}, "value")
    papers = [row for row in six.rows if row[0] == "paper"]
    assert papers[0][2:8] == ["–"] * 6
    assert papers[0][8] == "0.050"
    assert six.rows[0][-2:] == ["–", "–"]


def test_no_correlation_of_what_does_not_vary() -> None:
    assert math.isnan(likeness([0.1, 0.1, 0.1], [0.1, 0.2, 0.3]).r)
    assert math.isnan(likeness([0.1, 0.2], [0.1, 0.2]).r)
    assert likeness_cells(likeness([0.1, 0.2], [0.1, 0.2])) == ["–", "–"]


def test_p_is_uniform_for_unrelated_profiles() -> None:
    found = [likeness(rng.normal(size=12), rng.normal(size=12)).p for _ in range(500)]
    assert stats.kstest(found, "uniform").pvalue > 1e-3


def test_figure_one_by_layer_is_the_grids_rows_without_the_diagonal() -> None:
    table = layer_table({"stsb": {0: record("v", layers=4)}}, "v")
    rows = {(row[0], row[1]): row[2:] for row in table.rows}
    # Layer l beside m: .02 + (l + m)/500 + .001; of layer 0 the others' mean m is 2.
    assert rows["STS-B", "A"][0] == f"{0.021 + 2 / 500:.3f}"
    assert rows["STS-B", "A"][3] == f"{0.021 + 4 / 500:.3f}"
    assert rows["propagated", "B"][0] == f"{2 * (0.02 + 2 / 500):.3f}"
    assert rows["STS-B", "A"][-2:] == ["+1.00", "< 0.001"]
    assert rows["gaussian", "A"][0] == "0.010"
    first = layer_rows({"stsb": {0: record("v", layers=4)}}, "v")[0]
    assert (first["layer"], first["mean_phi"]) == (0, pytest.approx(0.025))


def test_the_figure_draws_ours_the_papers_and_chance() -> None:
    described = profile_sheet({"stsb": {0: record("v")}, "mrpc": {1: record("v", seed=1)}}, "v")
    figure = sheet(described)
    for ax, matrix in zip(figure.axes, ("A", "B", "delta"), strict=True):
        lines = [list(line.get_ydata()) for line in ax.lines]
        assert len(lines) == 3
        assert lines[2] == list(TABLE_3[matrix])
        assert ax.get_ylim()[0] == 0
        assert ax.get_ylim()[1] > max(map(max, lines))
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "STS-B",
        "MRPC",
        "unrelated",
        "paper",
    ]
    assert len({line.get_marker() for line in figure.axes[0].lines}) == 3


def test_the_band_is_of_a_mean_of_as_many_seeds_as_the_line() -> None:
    """It was of one comparison, beside means over the seeds."""
    analyses = {"stsb": seeds(4, record("q")), "mrpc": seeds(9, record("q", seed=1))}
    described = profile_sheet(analyses, "q")
    (panel, *_) = described.blocks[0].rows[0]
    assert panel is not None
    (band,) = (one for one in panel.marks if isinstance(one, Band))
    np.testing.assert_allclose(band.low, 8 / 768 - 2 * 0.001 / 2)
    np.testing.assert_allclose(band.high, 8 / 768 + 2 * 0.001 / 2)
    (legend,) = sheet(described).legends
    assert legend.get_title().get_text() == (
        "Lines: mean of 4 to 9 seeds. Unrelated subspaces: mean of 4 seeds ± 2 sd."
    )


def test_what_is_the_same_of_b_and_delta_w_is_drawn_once() -> None:
    a, b = rng.random((2, 12)) / 10
    alike = {"A": a, "B": b, "delta": b + 1e-7}
    one = {"stsb": {0: record("q", profiles=alike)}}
    assert titles(profile_sheet(one, "q")) == ["A", "B and ΔW"]
    other = {"mrpc": {0: record("q", profiles=alike | {"delta": b + 1e-3})}}
    assert titles(profile_sheet(one | other, "q")) == ["A", "B", "ΔW"]
    # The paper's are two lines.
    assert titles(profile_sheet({"stsb": {0: record("v", profiles=alike)}}, "v")) == [
        "A",
        "B",
        "ΔW",
    ]


def titles(described: Sheet) -> list[str]:
    return [panel.title for panel in described.blocks[0].rows[0] if panel is not None]
