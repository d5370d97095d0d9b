import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from forked import Forked, killed_at_its_first_checkpoint
from glue_folder import write_rte
from peft import PeftModel
from safetensors.torch import load_file
from tiny_base import write_tiny_base
from transformers import AutoModelForSequenceClassification, AutoTokenizer, TrainerCallback
from typer.testing import CliRunner

from lora_lens import conversion_similarity, export_lora, load_adapter
from lora_lens.cli import app
from lora_lens.errors import BaseModelError, DivergedError, OutputError
from lora_lens.files.locate import DEMO_BASE, local_folder
from lora_lens.training.data.glue import load_task
from lora_lens.training.models import open_classifier, put_adapter
from lora_lens.training.record import record_of_run
from lora_lens.training.run import train
from lora_lens.training.settings import RunSettings

BASE = str(local_folder(DEMO_BASE))


def settings(data: Path, method: str, **changes: object) -> RunSettings:
    small = {
        "task": "rte",
        "base": DEMO_BASE,
        "data": str(data),
        "epochs": 2,
        "max_length": 32,
        "learning_rate": 2e-3,
    }
    return RunSettings(method=method, **(small | changes))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both methods, trained for two epochs on the real base model."""
    folder = tmp_path_factory.mktemp("runs")
    data = write_rte(folder / "glue")
    for method in ("lora", "condlora"):
        train(settings(data, method), folder / method, use_cpu=True, command="lora-lens train …")
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A base for what is not of the real one."""
    return write_tiny_base(tmp_path_factory.mktemp("tiny"))


@pytest.mark.parametrize(("method", "parameters"), [("lora", 73_728), ("condlora", 12_288)])
def test_the_adapter_and_its_record(runs: Path, method: str, parameters: int) -> None:
    assert {path.name for path in (runs / method).iterdir()} == {
        "adapter_config.json", "adapter_model.safetensors", "run.json", "tensorboard",
    }  # fmt: skip
    record = json.loads((runs / method / "run.json").read_text())
    assert record["trainable_parameters"] == parameters
    assert record["head_parameters"] == 2 * 384 + 2
    assert record["metric"] == "accuracy"
    assert record["rows"] == {"train": 54, "development": 6, "test": 20}
    assert record["settings"]["seed"] == 0
    assert record["command"] == "lora-lens train …"
    assert len(record["history"]) == 2
    assert record["development_score"] == max(row["development_score"] for row in record["history"])
    assert set(record["data_sha256"]) == {"train.tsv", "dev.tsv"}
    adapter = load_adapter(runs / method)
    assert (adapter.method, adapter.base_model, adapter.trainable_parameters) == (
        method,
        DEMO_BASE,
        parameters,
    )
    for reason in adapter.left_out.values():
        assert "modules_to_save" in reason


@pytest.mark.parametrize("method", ["lora", "adalora", "condlora", "condadalora"])
def test_target_modules_are_written_in_one_order(method: str, tmp_path: Path) -> None:
    """PEFT keeps a set of them, and a set of words has another order in every process."""
    targets = ("value", "query", "key", "attention.output.dense", "intermediate.dense")
    model = put_adapter(
        settings(tmp_path, method, target_modules=targets), open_classifier(DEMO_BASE, 2), steps=9
    )
    model.save_pretrained(str(tmp_path / "checkpoint"))  # as the Trainer does, and `write_adapter`
    config = json.loads((tmp_path / "checkpoint" / "adapter_config.json").read_text())
    assert config["target_modules"] == sorted(targets)


def test_condlora_conversions_are_alike_in_all_layers(runs: Path) -> None:
    adapter = load_adapter(runs / "condlora")
    for module in ("query", "value"):
        result = conversion_similarity(adapter, module, convention="consistent", draws=0)
        for grid in result.values():
            np.testing.assert_allclose(grid.values, 1, atol=1e-5)


@pytest.mark.parametrize("method", ["lora", "condlora"])
def test_stock_peft_gives_the_recorded_test_score(runs: Path, method: str, tmp_path: Path) -> None:
    folder = runs / method
    if method == "condlora":
        folder = export_lora(folder, tmp_path / "plain")
    model = PeftModel.from_pretrained(
        AutoModelForSequenceClassification.from_pretrained(BASE, num_labels=2), str(folder)
    ).eval()
    tokenizer = AutoTokenizer.from_pretrained(BASE)
    test = load_task("rte", runs / "glue").test
    batch = tokenizer(
        [example.first for example in test],
        [example.second for example in test],
        padding=True,
        return_tensors="pt",
    )
    with torch.no_grad():
        predicted = model(**batch).logits.argmax(-1)
    score = np.mean(predicted.numpy() == [example.label for example in test])
    record = json.loads((runs / method / "run.json").read_text())
    assert score == pytest.approx(record["test_score"])


def test_the_same_seed_gives_the_same_bits(runs: Path, tmp_path: Path) -> None:
    train(settings(runs / "glue", "condlora"), tmp_path / "again", use_cpu=True)
    one, again = (
        load_file(folder / "adapter_model.safetensors")
        for folder in (runs / "condlora", tmp_path / "again")
    )
    assert all(torch.equal(one[name], again[name]) for name in one)


def test_a_killed_run_goes_on_to_the_same_weights(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = [
        "train", "--task", "rte", "--method", "condlora", "--base", DEMO_BASE, "--data", str(runs / "glue"),
        "--epochs", "2", "--max-length", "32", "--lr", "2e-3", "--cpu", "--out", str(out),
    ]  # fmt: skip
    first = Forked(tmp_path / "killed.txt", killed_at_its_first_checkpoint, words)
    assert first.exit_code() == -signal.SIGKILL, first.errors.read_text()
    assert not (out / "adapter_config.json").exists()
    refused = CliRunner().invoke(app, words)
    assert refused.exit_code == 1
    assert "--resume" in refused.stderr
    again = CliRunner().invoke(app, [*words, "--resume"])
    assert again.exit_code == 0, again.stderr
    whole, resumed = (
        load_file(folder / "adapter_model.safetensors") for folder in (runs / "condlora", out)
    )
    for name in whole:
        assert torch.equal(whole[name], resumed[name]), name


def test_tensorboard_reads_the_logs(runs: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    record = json.loads((runs / "lora" / "run.json").read_text())
    events = EventAccumulator(str(runs / "lora" / "tensorboard"))
    events.Reload()
    scores = [(event.step, event.value) for event in events.Scalars("eval/score")]
    assert scores == [
        (row["step"], pytest.approx(row["development_score"])) for row in record["history"]
    ]
    assert "train/loss" in events.Tags()["scalars"]


def test_a_run_stops_early_and_keeps_the_best(runs: Path, tiny: str, tmp_path: Path) -> None:
    """Without learning no evaluation is better than the first, so the second one ends it."""
    still = settings(runs / "glue", "lora", base=tiny, learning_rate=1e-12, epochs=9, patience=1)
    record = train(still, tmp_path / "still", use_cpu=True)
    assert [row["epoch"] for row in record["history"]] == [1.0, 2.0]
    assert record["best_step"] == record["history"][0]["step"]


def test_a_run_that_is_cut_is_the_beginning_of_the_whole_one(runs: Path, tmp_path: Path) -> None:
    whole = json.loads((runs / "lora" / "run.json").read_text())
    cut = settings(runs / "glue", "lora", stop_after=1)
    record = train(cut, tmp_path / "cut", use_cpu=True)
    assert record["history"] == whole["history"][:1]
    written = json.loads((tmp_path / "cut" / "run.json").read_text())["settings"]
    assert written == whole["settings"] | {"stop_after": 1}
    short = train(settings(runs / "glue", "lora", epochs=1), tmp_path / "short", use_cpu=True)
    assert short["history"] != record["history"]  # the rate falls to 0 within it
    data, uncut = record["data_sha256"], settings(runs / "glue", "lora").resolved()
    assert record_of_run(tmp_path / "cut", cut.resolved(), data)
    assert not record_of_run(tmp_path / "cut", uncut, data)
    assert record_of_run(runs / "lora", uncut, data) == whole
    assert not record_of_run(runs / "lora", uncut, data | {"train.tsv": "0" * 64})


def test_a_record_of_before_runs_could_be_cut_is_that_of_a_whole_one(
    runs: Path, tmp_path: Path
) -> None:
    record = json.loads((runs / "lora" / "run.json").read_text())
    del record["settings"]["stop_after"]
    (tmp_path / "adapter_config.json").write_text("{}")
    (tmp_path / "run.json").write_text(json.dumps(record))
    data = record["data_sha256"]
    assert record_of_run(tmp_path, settings(runs / "glue", "lora").resolved(), data)
    cut = settings(runs / "glue", "lora", stop_after=1).resolved()
    assert not record_of_run(tmp_path, cut, data)


def test_checkpoints_are_kept_where_asked(runs: Path, tmp_path: Path) -> None:
    kept = train(
        settings(runs / "glue", "condlora"), tmp_path / "kept", use_cpu=True, keep_checkpoints=True
    )
    steps = [row["step"] for row in kept["history"]]
    folders = {path.name for path in (tmp_path / "kept" / "checkpoints").iterdir()}
    assert folders == {f"checkpoint-{step}" for step in (0, *steps)}
    start = load_file(
        tmp_path / "kept" / "checkpoints" / "checkpoint-0" / "adapter_model.safetensors"
    )
    assert not start["value.theta_B"].any()
    one, other = (
        load_file(folder / "adapter_model.safetensors")
        for folder in (tmp_path / "kept", runs / "condlora")
    )
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_a_diverging_run_is_stopped(runs: Path, tiny: str, tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match="lower --lr|smaller --lr"):
        train(
            settings(runs / "glue", "lora", base=tiny, learning_rate=1e30),
            tmp_path / "out",
            use_cpu=True,
        )


def test_the_last_step_is_evaluated_too(runs: Path, tiny: str, tmp_path: Path) -> None:
    record = train(
        settings(runs / "glue", "lora", base=tiny, epochs=1.5), tmp_path / "out", use_cpu=True
    )
    assert [row["step"] for row in record["history"]] == [4, record["steps"]]
    assert record["steps"] == 6
    assert all(row["train_loss"] is not None for row in record["history"])


def test_bfloat16_trains_nearly_as_float32(runs: Path, tmp_path: Path) -> None:
    fine, rough = (
        train(
            settings(runs / "glue", "condlora", precision=precision, train_rows=32, epochs=1),
            tmp_path / precision,
            use_cpu=True,
            test=False,
        )
        for precision in ("float32", "bfloat16")
    )
    for one, other in zip(rough["history"], fine["history"], strict=True):
        assert one["train_loss"] == pytest.approx(other["train_loss"], abs=0.02)
        assert one["train_loss"] != other["train_loss"]
    trained = load_file(tmp_path / "bfloat16" / "adapter_model.safetensors")
    assert trained["value.theta_A"].dtype == torch.float32


@pytest.mark.skipif(torch.accelerator.is_available(), reason="is about a machine without a GPU")
def test_bfloat16_needs_no_word_about_the_cpu(runs: Path, tiny: str, tmp_path: Path) -> None:
    """transformers refuses bf16 without a GPU unless it is told to stay on the CPU."""
    short = settings(runs / "glue", "condlora", base=tiny, precision="bfloat16", epochs=1)
    assert train(short, tmp_path / "out")["device"] == "cpu"


@pytest.mark.parametrize(("share", "steps"), [(0.0, 0), (0.25, 2), (0.3, 3), (1.0, 8)])
def test_warm_up_is_a_share_of_all_steps(
    runs: Path, tiny: str, tmp_path: Path, share: float, steps: int
) -> None:
    """The learning rate after the first of 8 steps; transformers takes a share of 1 for one step."""
    rates: list[float] = []

    class Rates(TrainerCallback):
        def on_step_end(self, *_: object, **kwargs: Any) -> None:
            rates.append(kwargs["lr_scheduler"].get_last_lr()[0])

    warm = settings(runs / "glue", "lora", base=tiny, warmup=share, learning_rate=1.0)
    train(warm, tmp_path / "out", use_cpu=True, test=False, callbacks=(Rates(),))
    expected = [
        step / steps if step < steps else (8 - step) / max(8 - steps, 1) for step in range(1, 9)
    ]
    assert rates == pytest.approx(expected)


def test_the_command_in_json(runs: Path, tiny: str, tmp_path: Path) -> None:
    arguments = [
        "train", "--task", "rte", "--data", str(runs / "glue"), "--base",
        tiny, "--epochs", "1", "--max-length", "32", "--cpu", "--json",
        "--out", str(tmp_path / "out"),
    ]  # fmt: skip
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout) == json.loads((tmp_path / "out" / "run.json").read_text())


def test_own_rows_are_trained_on(tmp_path: Path) -> None:
    rows = "".join(f"A {animal} sleeps.,{animal}\n" for animal in ("cat", "dog", "cow") * 8)
    (tmp_path / "own.csv").write_text("text,animal\n" + rows)
    arguments = [
        "train", "--task", "animals", "--train", str(tmp_path / "own.csv"), "--test",
        str(tmp_path / "own.csv"), "--text", "text", "--label", "animal", "--base", DEMO_BASE,
        "--epochs", "1", "--cpu", "--out", str(tmp_path / "out"),
    ]  # fmt: skip
    refused = CliRunner().invoke(app, arguments)
    assert refused.exit_code == 1
    assert "pass one with --lr" in refused.stderr
    assert not (tmp_path / "out").exists()
    result = CliRunner().invoke(app, [*arguments, "--lr", "1e-3"])
    assert result.exit_code == 0, result.stderr
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["settings"]["own"]["label"] == "animal"
    assert record["head_parameters"] == 3 * 384 + 3
    assert record["rows"] == {"train": 22, "development": 2, "test": 24}


def test_a_finished_folder_is_never_overwritten(runs: Path) -> None:
    before = (runs / "lora" / "run.json").read_bytes()
    with pytest.raises(OutputError, match="already holds an adapter"):
        train(settings(runs / "glue", "lora"), runs / "lora", use_cpu=True)
    assert (runs / "lora" / "run.json").read_bytes() == before


def test_errors_leave_nothing(runs: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for arguments, word in (
        (["--task", "chess"], "chess"),
        (["--task", "rte", "--data", str(empty)], "has no folder RTE"),
        (["--task", "rte", "--data", str(runs / "glue"), "--target", "nothing"], "nothing"),
        (["--task", "rte", "--data", str(runs / "glue"), "--base", str(empty)], "base"),
    ):
        base = [] if "--base" in arguments else ["--base", DEMO_BASE]
        result = CliRunner().invoke(
            app, ["train", *arguments, *base, "--cpu", "--out", str(tmp_path / "out")]
        )
        assert result.exit_code == 1, result.output
        assert word in result.stderr
        assert result.stderr.count("\n") == 1
        assert not (tmp_path / "out").exists()


def test_a_base_that_is_not_there(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(BaseModelError):
        train(settings(runs / "glue", "lora", base=str(tmp_path / "none")), tmp_path / "out")
