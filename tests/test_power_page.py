"""The tables of docs/power.md are those that the benchmark prints from its records."""

import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RECORDS = sorted((ROOT / "docs" / "power").glob("*.json"))


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.stem)
def test_the_page_has_every_line(record: Path) -> None:
    spec = importlib.util.spec_from_file_location("power", ROOT / "benchmarks" / "power.py")
    assert spec is not None
    assert spec.loader is not None
    power = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(power)
    page = (ROOT / "docs" / "power.md").read_text(encoding="utf-8")
    lines = [line for line in power.table(json.loads(record.read_text())) if line]
    assert len(lines) > 3
    for line in lines:
        assert line in page


def test_records_are_there() -> None:
    assert {path.stem for path in RECORDS} == {
        "minilm", "minilm-claims", "minilm-pairs",
    }  # fmt: skip
