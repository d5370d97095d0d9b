from pathlib import Path

import pytest
from checkpoints import BertLike

from lora_lens import load_adapter, rank_grids
from lora_lens.questions.grid.tables import ij_table, ticks


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
