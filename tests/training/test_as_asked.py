"""Whether a run is what is asked for: of older records, too, which do not say every setting."""

import json
import shutil
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from lora_lens.errors import RecordError
from lora_lens.training.as_asked import BEFORE, deciding, first_difference
from lora_lens.training.record import read_record, record_of_run
from lora_lens.training.settings import RunSettings

RESULTS = Path(__file__).parents[2] / "docs" / "results"
RECORDS = sorted(RESULTS.glob("*/**/run.json"))


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: "-".join(path.parts[-4:-1]))
def test_what_a_record_does_not_say_is_known(path: Path) -> None:
    """A setting that runs get takes its place in BEFORE, with what all runs were made with until then."""
    said = json.loads(path.read_text(encoding="utf-8"))["settings"]
    asked = {field.name for field in fields(RunSettings)}
    assert asked - said.keys() <= BEFORE.keys()
    assert deciding(said).keys() == asked - {"data"}


@pytest.mark.parametrize("name", ["stsb-lora-0", "mrpc-condlora-0"])
def test_a_run_from_before_heads_could_be_chosen_is_one_from_zero(
    name: str, tmp_path: Path
) -> None:
    shutil.copy(RESULTS / "minilm" / "runs" / name / "run.json", tmp_path)
    (tmp_path / "adapter_config.json").write_text("{}", encoding="utf-8")
    record = read_record(tmp_path / "run.json")
    said: dict[str, Any] = record["settings"]
    assert "head" not in said
    targets = tuple(said["target_modules"])
    settings = RunSettings(**said | {"target_modules": targets, "head": "zero"})
    data = record["data_sha256"]
    assert record_of_run(tmp_path, settings, data) == record
    assert record_of_run(tmp_path, replace(settings, data="/elsewhere"), data) == record
    assert record_of_run(tmp_path, replace(settings, head="mean"), data) is None
    assert record_of_run(tmp_path, replace(settings, stop_after=1), data) is None


@pytest.mark.parametrize(("made", "asked"), [({}, {"k": None}), ({"k": None}, {})])
def test_what_only_one_of_the_two_says_is_another(
    made: dict[str, Any], asked: dict[str, Any]
) -> None:
    assert first_difference(made, asked) == ("k", None, None)


def test_a_record_of_a_later_lora_lens_is_refused(tmp_path: Path) -> None:
    record = tmp_path / "run.json"
    record.write_text('{"format": 2}', encoding="utf-8")
    with pytest.raises(RecordError, match=r"run\.json has format 2, and this lora-lens reads 1;"):
        read_record(record)
