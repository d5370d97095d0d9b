import json
from pathlib import Path

import pytest
from checkpoints import BertLike
from planted import plant, unit

from lora_lens import amplification, load_adapter, rank_grids, spectrum
from lora_lens.tables.spectral import (
    amplification_table,
    ij_table,
    intruder_table,
    intruder_totals,
    significant,
    spectrum_table,
    ticks,
)


@pytest.mark.parametrize(
    ("count", "shown"), [(3, [1, 2, 3]), (12, list(range(1, 13))), (64, [1, 2, 4, 8, 16, 32, 64])]
)
def test_large_grids_show_powers_of_two_and_the_last(count: int, shown: list[int]) -> None:
    assert ticks(count) == shown
    assert ticks(20) == [1, 2, 4, 8, 16, 20]


def test_significant_digits_keep_their_zeros() -> None:
    assert [significant(x) for x in (0.7, 16.8566, 1234.4, 0)] == [
        "0.7000",
        "16.86",
        "1234",
        "0.000",
    ]


def test_tables_hold_the_numbers_of_their_results(bert: BertLike, tmp_path: Path) -> None:
    adapter = load_adapter(tmp_path / "lora")
    grid = rank_grids(adapter, None, "value", top=16)[0]
    table = ij_table(grid)
    assert [row[0] for row in table.rows] == ["1", "2", "4", "8", "16"]
    assert table.rows[3][2] == f"{grid.values[7, 1]:.3f}"
    found = spectrum(adapter, ks=[1, 3], epsilons=[0.5, 0.9], draws=3)
    first = found.layers[0]
    assert spectrum_table(found).rows[0][7] == f"{first.effective_rank_s2:.2f}"
    one, three = (
        row
        for row in found.intruders(epsilons=[0.9])
        if row["layer"] == 0 and row["module"] == "query"
    )
    assert intruder_table(found).rows[0][4] == f"{one['count']}/{three['count']}"
    rows = found.intruders([3], [0.5])
    total, random = (sum(row[key] for row in rows) for key in ("count", "random_mean"))
    assert intruder_totals(found).rows[1][1] == f"{total} ({random:.0f})"


def test_no_overlap_reads_infinite(tmp_path: Path) -> None:
    adapter = plant(tmp_path, [unit(6, *range(6))], [(unit(6, 0), unit(6, 1).T)])
    (row,) = amplification_table(amplification(adapter, "value")).rows
    assert row[-1] == "∞"


def test_results_go_to_pandas_json_and_jupyter(bert: BertLike, tmp_path: Path) -> None:
    adapter = load_adapter(tmp_path / "lora")
    grids = rank_grids(adapter, adapter, "value", matrices=["A"], layers=[0, 2])
    found = spectrum(adapter)
    for result, rows in (
        (grids, 2 * 16),
        (grids[0], 16),
        (amplification(adapter, "value"), 3),
        (found, 6),
        (found.suggestion, 6),
    ):
        assert len(result.to_frame()) == rows
        json.dumps(result.to_dict(), allow_nan=False)
        assert "<table>" in result._repr_html_()
    frame = grids.to_frame()
    cell = frame[(frame.layer == 2) & (frame.i == 3) & (frame.j == 3)]
    assert float(cell.phi.iloc[0]) == pytest.approx(1)
