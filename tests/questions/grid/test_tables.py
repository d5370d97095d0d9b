from pathlib import Path

import numpy as np
import pytest
from checkpoints import BertLike

from lora_lens import load_adapter, rank_grids
from lora_lens.questions.grid.tables import corner_table, ij_table, legend, tables, ticks


@pytest.mark.parametrize(
    ("count", "shown"), [(3, [1, 2, 3]), (12, list(range(1, 13))), (64, [1, 2, 4, 8, 16, 32, 64])]
)
def test_large_grids_show_powers_of_two_and_the_last(count: int, shown: list[int]) -> None:
    assert ticks(count) == shown
    assert ticks(20) == [1, 2, 4, 8, 16, 20]


def test_a_large_grid_is_thinned(bert: BertLike, tmp_path: Path) -> None:
    adapter = load_adapter(tmp_path / "lora")
    grid = rank_grids(adapter, None, "value", top=16)[0]
    table = ij_table(grid)
    assert [row[0] for row in table.rows] == ["1", "2", "4", "8", "16"]
    assert table.rows[3][2] == f"{grid.values[7, 1]:.3f}"


def test_what_p_is_stands_in_its_table(bert: BertLike, tmp_path: Path) -> None:
    """The verdict above it is two-sided too, but corrected, and of the mean."""
    result = rank_grids(load_adapter(tmp_path / "lora"), None, "value", top=16, draws=9)
    what = "p: of one layer, two-sided, uncorrected"
    assert "p" in corner_table(result).head
    assert what in corner_table(result).title
    assert what in tables(result)[0].title
    assert "one layer, two-sided, uncorrected" in legend(result)[0]
    assert "few of W0's singular directions, or on few coordinates" in legend(result)[0]
    layer = result.of("delta", "left")[1]
    drawn = result.baselines["delta", "left"].drawn
    assert drawn is not None
    own = np.append(np.asarray(drawn)[:, 1], layer.values[-1, -1])
    far = np.abs(own - own.mean())
    above = (far[:-1] >= far[-1]).sum()
    row = next(r for r in corner_table(result).rows if r[:2] == ["ΔW (left)", "1"])
    assert row[7] == f"{(above + 1) / 10:.3f}"


def test_what_is_less_than_chance_has_a_small_p_in_its_table_too(
    bert: BertLike, tmp_path: Path
) -> None:
    """Of one layer the mean is that layer: the sentence's p is the table's, times the number of tests."""
    adapter = load_adapter(tmp_path / "lora")
    for layer in (0, 1, 2):
        result = rank_grids(adapter, None, "value", layers=[layer], top=4, draws=99)
        for row, tests, kind in zip(
            corner_table(result).rows, result.whole(), result.kinds, strict=True
        ):
            assert tests["p_two_sided"] == result.significance[kind].of_mean.p_two_sided
            assert row[7] == f"{tests['p_two_sided']:.3f}"
    undrawn = rank_grids(adapter, None, "value", draws=0).whole()
    assert {tests["p_two_sided"] for tests in undrawn} == {None}
