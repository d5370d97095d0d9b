from pathlib import Path

import pytest
from checkpoints import BertLike, write_config, write_lora

from lora_lens.errors import AdapterError
from lora_lens.files.checkpoints import run_points

STEMS = ("adapter_model",)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    for step in (9, 10, 100, 20):
        write_lora(tmp_path / "run" / f"checkpoint-{step}", BertLike(layers=1))
    return tmp_path / "run"


def test_sorted_by_step_and_not_by_text(run: Path) -> None:
    assert [point.step for point in run_points(run, STEMS).points] == [9, 10, 20, 100]
    assert run_points(run, STEMS).notes == ()


def test_the_runs_own_adapter_comes_last_and_has_no_step(run: Path) -> None:
    write_lora(run, BertLike(layers=1))
    last = run_points(run, STEMS).points[-1]
    assert (last.name, last.step, last.folder) == ("end", None, run)


def test_checkpoints_may_lie_one_folder_below(tmp_path: Path) -> None:
    write_lora(tmp_path / "checkpoints" / "checkpoint-3", BertLike(layers=1), binary=True)
    assert [point.step for point in run_points(tmp_path, STEMS).points] == [3]


def test_half_written_ones_are_passed_over_and_said_so(run: Path) -> None:
    write_config(run / "checkpoint-200", base=None, r=4)
    (run / "checkpoint-20" / "adapter_config.json").unlink()
    weights = run / "checkpoint-100" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    (run / "checkpoint-9" / "adapter_config.json").write_text("{")
    write_lora(run / "checkpoint-best", BertLike(layers=1))
    (run / "checkpoint-7").write_text("a file")
    write_config(run, base=None, r=4)
    found = run_points(run, STEMS)
    assert [point.step for point in found.points] == [10]
    notes = "\n".join(found.notes)
    for words in (
        "checkpoint-200 is passed over: adapter_model",
        "checkpoint-20 is passed over: adapter_config.json is missing",
        "not a whole safetensors file",
        "checkpoint-9 is passed over",
        "checkpoint-best is passed over: its name",
        "the last checkpoint is the end point",
    ):
        assert words in notes
    assert len(found.notes) == 6


def test_a_shard_that_is_missing(run: Path) -> None:
    folder = run / "checkpoint-10"
    (folder / "adapter_model.safetensors").unlink()
    (folder / "adapter_model.safetensors.index.json").write_text(
        '{"weight_map": {"x": "adapter_model-1.safetensors"}}'
    )
    assert "adapter_model-1.safetensors is missing" in run_points(run, STEMS).notes[0]


def test_none_at_all_and_one_twice_are_errors(run: Path, tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="is not a folder"):
        run_points(tmp_path / "nowhere", STEMS)
    write_lora(tmp_path / "alone", BertLike(layers=1))
    with pytest.raises(AdapterError, match="holds no checkpoint-N folder"):
        run_points(tmp_path / "alone", STEMS)
    write_config(tmp_path / "alone" / "checkpoint-1", base=None)
    with pytest.raises(AdapterError, match="checkpoint-1 is passed over: adapter_model"):
        run_points(tmp_path / "alone", STEMS)
    write_lora(run / "checkpoints" / "checkpoint-010", BertLike(layers=1))
    with pytest.raises(AdapterError, match="step 10 twice"):
        run_points(run, STEMS)
