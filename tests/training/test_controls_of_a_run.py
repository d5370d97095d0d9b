"""What a run is compared with: rows that it never trains on, and a head without an adapter."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from glue_folder import write_rte
from peft import AutoPeftModelForSequenceClassification
from safetensors.torch import load_file
from tiny_base import write_tiny_base
from transformers import TrainerCallback
from typer.testing import CliRunner

from lora_lens.card.write import write_card
from lora_lens.cli import app
from lora_lens.errors import DataError, SettingsError
from lora_lens.training.data import Example, Splits, open_data, set_aside
from lora_lens.training.evaluate import answer, evaluate
from lora_lens.training.run import train
from lora_lens.training.settings import RunSettings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("controls")
    write_rte(folder / "glue")
    write_tiny_base(folder / "base")
    return folder


def settings(folder: Path, **changes: Any) -> RunSettings:
    made = {
        "task": "rte", "method": "lora", "base": str(folder / "base"), "data": str(folder / "glue"),
        "epochs": 1, "max_length": 16, "learning_rate": 3e-3, "rank": 2,
    }  # fmt: skip
    return RunSettings(**(made | changes))


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    train(settings(folder, unused_rows=12, unused_seed=3), folder / "run", use_cpu=True)
    return folder / "run"


@pytest.fixture(scope="module")
def head(folder: Path) -> Path:
    train(settings(folder, method="head-alone", epochs=2), folder / "head", use_cpu=True)
    return folder / "head"


def rows(count: int) -> Splits:
    return Splits([Example(str(k), None, k) for k in range(count)], [], [], {})


def test_rows_that_are_set_aside_are_fixed_by_their_seed_and_in_no_training() -> None:
    left, unused = set_aside(rows(50), 10, 3)
    assert len(unused) == 10
    assert sorted([*left.train, *unused], key=lambda row: row.label) == rows(50).train
    assert set_aside(rows(50), 10, 3) == (left, unused)
    assert set_aside(rows(50), 10, 4)[1] != unused
    assert set_aside(rows(50), None, 3) == (rows(50), [])
    with pytest.raises(DataError, match="50 rows cannot be set aside of 50 to train on"):
        set_aside(rows(50), 50, 3)


def test_a_run_trains_on_what_is_left_and_says_so(run: Path, folder: Path) -> None:
    record = json.loads((run / "run.json").read_text())
    assert record["rows"]["train"] == 54 - 12
    assert (record["settings"]["unused_rows"], record["settings"]["unused_seed"]) == (12, 3)
    plain = settings(folder).as_written()
    assert not {"unused_rows", "unused_seed", "source"} & plain.keys()


def test_unused_rows_are_scored_by_their_own_labels(run: Path, folder: Path) -> None:
    scored = answer(run, "rte", str(folder / "glue"), part="unused", use_cpu=True)
    _, unused = set_aside(open_data("rte", str(folder / "glue"), None)[1], 12, 3)
    right = sum(given == row.label for given, row in zip(scored.answers, unused, strict=True))
    assert (scored.evaluation.rows, scored.evaluation.part) == (12, "unused")
    assert scored.evaluation.score == pytest.approx(right / 12)


def test_evaluate_scores_unused_rows(run: Path, folder: Path) -> None:
    command = ["evaluate", str(run), "--task", "rte", "--data", str(folder / "glue"), "--cpu"]
    result = CliRunner().invoke(app, [*command, "--part", "unused"])
    assert result.exit_code == 0, result.output
    assert "12 unused rows of rte" in result.output


def test_rows_that_may_have_been_trained_on_are_not_called_unused(
    run: Path, head: Path, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="which rows of rte it was not trained on; train with"):
        evaluate(head, "rte", str(folder / "glue"), part="unused", use_cpu=True)
    write_rte(tmp_path, train=70)
    with pytest.raises(DataError, match="was trained on other data than these"):
        evaluate(run, "rte", str(tmp_path), part="unused", use_cpu=True)


def test_of_the_head_alone_nothing_else_is_trained_or_saved(head: Path, folder: Path) -> None:
    record = json.loads((head / "run.json").read_text())
    assert (record["trainable_parameters"], record["head_parameters"]) == (0, 2 * 16 + 2)
    tensors = load_file(head / "adapter_model.safetensors")
    assert set(tensors) == {f"base_model.model.classifier.{part}" for part in ("weight", "bias")}
    assert tensors["base_model.model.classifier.weight"].abs().max() > 0
    found = evaluate(head, "rte", str(folder / "glue"), use_cpu=True)
    assert found.score == pytest.approx(record["test_score"], abs=1e-9)


def test_the_head_alone_is_opened_by_stock_peft(head: Path) -> None:
    model = AutoPeftModelForSequenceClassification.from_pretrained(str(head), num_labels=2)
    tensors = load_file(head / "adapter_model.safetensors")
    theirs = dict(model.named_parameters())
    name = "base_model.model.classifier.modules_to_save.default.weight"
    assert torch.equal(theirs[name], tensors["base_model.model.classifier.weight"])


def test_the_card_of_a_head_alone_speaks_of_no_rank(head: Path) -> None:
    assert write_card(head, json.loads((head / "run.json").read_text()))
    text = (head / "README.md").read_text()
    assert "A head, and no layer adapted, trained on GLUE's rte" in text
    assert "Not told: no layer is adapted." in text
    assert "rank" not in text


def test_the_command_trains_a_control(folder: Path, tmp_path: Path) -> None:
    command = [
        "train", "--task", "rte", "--method", "condlora", "--source", "shuffled", "--cpu", "--json",
        "--base", str(folder / "base"), "--data", str(folder / "glue"), "--epochs", "1",
        "--max-length", "16", "--lr", "3e-3", "--rank", "2", "--out", str(tmp_path / "out"),
    ]  # fmt: skip
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["settings"]["source"] == "shuffled"
    found = evaluate(tmp_path / "out", "rte", str(folder / "glue"), use_cpu=True)
    assert found.score == pytest.approx(record["test_score"], abs=1e-9)
    assert "| made of" in (tmp_path / "out" / "README.md").read_text()


class KilledError(Exception):
    """Stands for a SIGKILL."""


class KillAfterAnEpoch(TrainerCallback):
    def on_save(self, *_: Any, **__: Any) -> None:
        raise KilledError


@pytest.mark.parametrize("source", ["shuffled", "gaussian", "identity"])
def test_a_run_of_a_control_that_is_resumed_is_the_run_unbroken(
    source: str, folder: Path, tmp_path: Path
) -> None:
    asked = settings(folder, method="condlora", source=source, epochs=2)
    train(asked, tmp_path / "whole", use_cpu=True)
    with pytest.raises(KilledError):
        train(asked, tmp_path / "killed", use_cpu=True, callbacks=(KillAfterAnEpoch(),))
    assert not (tmp_path / "killed" / "run.json").exists()
    train(asked, tmp_path / "killed", use_cpu=True, resume=True)
    whole, killed = (
        (tmp_path / name / "adapter_model.safetensors").read_bytes() for name in ("whole", "killed")
    )
    assert whole == killed
