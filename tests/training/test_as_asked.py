"""Whether a run is what is asked for: of older records, too, which do not say every setting."""

import json
import shutil
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pytest

from lora_lens.errors import RecordError, SettingsError
from lora_lens.training import resuming
from lora_lens.training.as_asked import BEFORE, asked_of_run, deciding, first_difference
from lora_lens.training.damage import DamagedRunError
from lora_lens.training.data import OwnData
from lora_lens.training.record import read_record, record_of_run
from lora_lens.training.resuming import begin, last_checkpoint
from lora_lens.training.settings import RunSettings

RESULTS = Path(__file__).parents[2] / "docs" / "results"
RECORDS = sorted(RESULTS.glob("*/**/run.json"))


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: "-".join(path.parts[-4:-1]))
def test_what_a_record_does_not_say_is_known(path: Path) -> None:
    """A setting that runs get takes its place in BEFORE, with what all runs were made with until then."""
    said = json.loads(path.read_text(encoding="utf-8"))["settings"]
    asked = {field.name for field in fields(RunSettings)}
    assert asked - said.keys() <= BEFORE.keys()
    as_regression = said | {"task": "stsb", "method": "condlora", "epochs": 3, "stop_after": 2}
    assert deciding(as_regression).keys() == asked - {"data"}


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
    of_classes = said["task"] == "mrpc"
    assert (record_of_run(tmp_path, replace(settings, head="mean"), data) == record) == of_classes
    assert record_of_run(tmp_path, replace(settings, stop_after=1), data) is None


OWN = {"train": "a.csv", "test": "b.csv", "text": ("text",), "label": "label"}


@pytest.mark.parametrize(
    ("of", "changed", "same"),
    [
        ({"task": "mrpc"}, {"head": "zero"}, True),
        ({"task": "stsb"}, {"head": "zero"}, False),
        ({"task": "mine", "own": OwnData(**OWN)}, {"head": "zero"}, True),
        ({"task": "mine", "own": OwnData(**OWN, regression=True)}, {"head": "zero"}, False),
        ({"method": "lora"}, {"convention": "stored"}, True),
        ({"method": "adalora"}, {"convention": "stored"}, True),
        ({"method": "condlora"}, {"convention": "stored"}, False),
        ({"method": "condadalora"}, {"convention": "stored"}, False),
        ({"epochs": 3}, {"stop_after": 3}, True),
        ({"epochs": 3}, {"stop_after": 4}, True),
        ({"epochs": 3}, {"stop_after": 2}, False),
        # The order of the rows is another, whatever the batch.
        ({"batch_size": 1}, {"group_by_length": True}, False),
    ],
)
def test_what_changes_nothing_is_no_difference(
    of: dict[str, Any], changed: dict[str, Any], same: bool, tmp_path: Path
) -> None:
    one = replace(RunSettings(task="mrpc", method="lora", base="b", learning_rate=0.1), **of)
    one, data = one.resolved(), {"train.tsv": "0"}
    other = replace(one, **changed)
    assert (first_difference(asked_of_run(one, data), asked_of_run(other, data)) is None) == same
    record = {"settings": asdict(one), "data_sha256": data}
    (tmp_path / "run.json").write_text(json.dumps(record), encoding="utf-8")
    (tmp_path / "adapter_config.json").write_text("{}", encoding="utf-8")
    assert (record_of_run(tmp_path, other, data) is not None) == same


def test_what_made_a_setting_change_nothing_is_named_itself() -> None:
    one = RunSettings(task="stsb", method="condlora", base="b", epochs=3, stop_after=2)
    for changed in ({"task": "mrpc"}, {"method": "lora"}, {"epochs": 2}):
        (name,) = changed
        found = first_difference(
            *(deciding(asdict(each)) for each in (one, replace(one, **changed)))
        )
        assert found is not None
        assert found.name == name


def test_a_run_goes_on_with_what_changes_nothing(tmp_path: Path) -> None:
    """It was refused; what is written down is all that was asked for."""
    asked = RunSettings(task="mrpc", method="lora", base="b", data="glue", epochs=3).resolved()
    begin(tmp_path, asked, {}, {})
    written = json.loads((tmp_path / "unfinished.json").read_text())
    assert written.keys() == {"format", "versions", "data_sha256"} | asdict(asked).keys() - {"data"}
    state = tmp_path / "checkpoints" / "checkpoint-1" / "trainer_state.json"
    state.parent.mkdir(parents=True)
    state.write_text("{}", encoding="utf-8")
    with pytest.raises(DamagedRunError, match="has no whole checkpoint"):  # and not SettingsError
        last_checkpoint(tmp_path, replace(asked, head="zero"), {}, resume=True)
    with pytest.raises(SettingsError, match="begun with rank = 8, now it is 4"):
        last_checkpoint(tmp_path, replace(asked, rank=4), {}, resume=True)


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


@pytest.mark.parametrize("by_hand", [{"stop_after": "2"}, {"task": ["mrpc"]}, {"own": [1]}, {"own": "x"}, {"epochs": "3", "stop_after": 3}])  # fmt: skip
def test_a_record_changed_by_hand_is_another(by_hand: dict[str, Any]) -> None:
    asked = asdict(RunSettings(task="mrpc", method="lora", base="b"))
    assert first_difference(deciding(asked | by_hand), deciding(asked)) is not None


def test_data_of_ones_own_may_lie_elsewhere_and_not_be_others(tmp_path: Path) -> None:
    """As on a cluster, where a job's folder has another name each time."""

    def of(folder: str, ending: str = ".csv", **more: Any) -> RunSettings:
        own = OwnData(f"{folder}/a{ending}", f"{folder}/b.csv", ("text",), "label", **more)
        return RunSettings(task="mine", method="lora", base="b", own=own)

    def sums(folder: str, a: str = "3f", ending: str = ".csv") -> dict[str, str]:
        return {f"{folder}/a{ending}": a, f"{folder}/b.csv": "a0"}

    made = json.loads(json.dumps(asked_of_run(of("/job-1"), sums("/job-1"))))
    begin(tmp_path, of("/job-1"), sums("/job-1"), {})
    resuming._check_same(tmp_path, of("/job-2"), sums("/job-2"))
    assert (
        first_difference(made, asked_of_run(of("/job-2", metric="accuracy"), sums("/job-2")))
        is None
    )
    with pytest.raises(SettingsError, match="data_sha256 = .*'train': '3f'.*now.*'77'"):
        resuming._check_same(tmp_path, of("/job-2"), sums("/job-2", "77"))
    for other in (
        asked_of_run(of("/job-2"), sums("/job-2", "77")),
        asked_of_run(of("/job-2", ".tsv"), sums("/job-2", ending=".tsv")),
        asked_of_run(of("/job-2", metric="f1"), sums("/job-2")),
        asked_of_run(of("/job-2", development="/job-2/b.csv"), sums("/job-2")),
    ):
        assert first_difference(made, other) is not None
