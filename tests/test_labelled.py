import json
from pathlib import Path

import pytest
from checkpoints import BertLike

from lora_lens import (
    amplification,
    demo_adapter,
    load_adapter,
    rank_grids,
    spectrum,
)


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


def test_an_adapter_is_one_line_and_a_small_table() -> None:
    adapter = load_adapter(demo_adapter("condlora"))
    assert "\n" not in repr(adapter)
    assert len(repr(adapter)) < 300
    assert "query, value" in repr(adapter)
    row = "<tr><td>value</td><td>6</td><td>8</td><td>384 × 384</td>"
    assert row in adapter._repr_html_()
