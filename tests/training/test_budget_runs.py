"""Runs of the methods whose ranks are allocated: what they leave behind, and how it scores."""

import itertools
import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from glue_folder import write_rte
from peft import PeftModel
from safetensors.torch import load_file
from tiny_base import write_tiny_base
from transformers import TrainerCallback
from typer.testing import CliRunner

from lora_lens import export_lora, load_adapter
from lora_lens.cli import app
from lora_lens.errors import DataError, SettingsError
from lora_lens.training import run
from lora_lens.training.budget import OverBudgetWarning
from lora_lens.training.condlora.gate import gates
from lora_lens.training.evaluate import answer
from lora_lens.training.run import train
from lora_lens.training.settings import RunSettings

METHODS = ("adalora", "condadalora")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> RunSettings:
    folder = tmp_path_factory.mktemp("tiny")
    return RunSettings(
        task="rte", method="adalora", base=write_tiny_base(folder / "base"),
        data=str(write_rte(folder / "glue")), epochs=5, batch_size=8, learning_rate=2e-2,
        max_length=32, rank=4,
    )  # fmt: skip


@pytest.fixture(scope="module")
def runs(settings: RunSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for method in METHODS:
        train(replace(settings, method=method), folder / method, use_cpu=True)
    return folder


@pytest.mark.parametrize("method", METHODS)
def test_the_record_and_the_file_have_the_ranks(runs: Path, method: str) -> None:
    record = json.loads((runs / method / "run.json").read_text())
    ranks = record["ranks"]
    assert len(ranks) == 4  # two layers of query and value
    assert 0 < sum(ranks.values()) <= 16
    assert all(path.startswith("bert.encoder.layer.") for path in ranks)
    # 16 wide, rank 6 to begin with: two matrices of every layer, or of both modules; and E or Λ.
    expected = {"adalora": 4 * (2 * 16 * 6 + 6), "condadalora": 2 * 2 * 16 * 6 + 4 * 6}
    assert record["trainable_parameters"] == expected[method]
    assert record["best_step"] > 21  # of 35: what is kept holds no more than the budget
    tensors = load_file(runs / method / "adapter_model.safetensors")
    found = {
        name.removeprefix("base_model.model.").split(".lora_E")[0].removesuffix(".lambda"): tensor
        for name, tensor in tensors.items()
        if name.endswith((".lora_E", ".lambda"))
    }
    assert {path: int((e != 0).sum()) for path, e in found.items()} == ranks


@pytest.mark.parametrize("method", METHODS)
def test_saved_it_scores_as_it_was_trained(runs: Path, settings: RunSettings, method: str) -> None:
    record = json.loads((runs / method / "run.json").read_text())
    found = answer(runs / method, "rte", settings.data, use_cpu=True)
    assert found.evaluation.score == pytest.approx(record["test_score"], abs=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_kept_has_the_ranks_of_its_own_step(
    settings: RunSettings, tmp_path: Path, method: str
) -> None:
    """A run may end before the last allocation, and be best before that: the last step's ranks are others then."""
    made = 0
    for seed in range(8):
        cut = replace(settings, method=method, seed=seed, stop_after=2.0, learning_rate=5e-2)
        out = tmp_path / f"{method}-{seed}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OverBudgetWarning)
            record = train(cut, out, use_cpu=True)
        if record["best_step"] == record["steps"]:
            continue
        made += 1
        found = answer(out, "rte", settings.data, use_cpu=True)
        assert found.evaluation.score == pytest.approx(record["test_score"], abs=1e-9)
        tensors = load_file(out / "adapter_model.safetensors")
        kept = [
            int((e != 0).sum())
            for name, e in tensors.items()
            if name.endswith((".lora_E", ".lambda"))
        ]
        assert sorted(kept) == sorted(record["ranks"].values())
    assert made


def path_of(name: str) -> str:
    """Of a layer, by the name of its Λ in a model or a file."""
    return name.removeprefix("base_model.model.").split(".lora_E")[0].removesuffix(".lambda")


class Watched(TrainerCallback):
    """Keeps Λ of every layer as it was when the development rows were scored last."""

    def on_evaluate(self, *_: Any, model: PeftModel, **__: Any) -> None:
        found = gates(model, "default") or {
            name: parameter for name, parameter in model.named_parameters() if ".lora_E." in name
        }
        self.gates = {path_of(name): gate.detach().clone() for name, gate in found.items()}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("epochs", [2.0, 6.0])  # before the first allocation, and between two
def test_what_is_saved_before_the_last_allocation_is_what_was_scored(
    settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epochs: float, method: str
) -> None:  # fmt: skip
    """From 200 steps on allocations are some steps apart, and the optimizer moves what they have taken away."""
    measures, rising = run._measures, itertools.count()
    monkeypatch.setattr(run, "_measures", lambda *found: measures(*found) | {"score": next(rising)})
    cut = replace(settings, method=method, epochs=32, stop_after=epochs)
    watched = Watched()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", OverBudgetWarning)
        record = train(cut, tmp_path / "run", use_cpu=True, callbacks=(watched,))
    assert ["24 together, over the budget of 16" in str(one.message) for one in said] == [True]
    assert str(said[0].message).endswith("in step 135 of 224")
    assert record["best_step"] == record["steps"] == epochs * 7
    assert record["ranks"] == dict.fromkeys(watched.gates, 6)
    tensors = load_file(tmp_path / "run" / "adapter_model.safetensors")
    for name, saved in tensors.items():
        if name.endswith((".lora_E", ".lambda")):
            gate = watched.gates.pop(path_of(name))
            torch.testing.assert_close(saved, gate, atol=0, rtol=0)
    assert not watched.gates


def test_the_exported_one_scores_the_same(
    runs: Path, settings: RunSettings, tmp_path: Path
) -> None:
    out = export_lora(runs / "condadalora", tmp_path / "plain")
    one, other = (
        answer(folder, "rte", settings.data, max_length=settings.max_length, use_cpu=True)
        for folder in (runs / "condadalora", out)
    )
    assert one.answers == other.answers
    ranks = json.loads((runs / "condadalora" / "run.json").read_text())["ranks"]
    plain = load_adapter(out)
    kept = {name: rank for m in plain.modules.values() for name, rank in zip(m.names, m.ranks, strict=True)}  # fmt: skip
    assert kept == {path: rank for path, rank in ranks.items() if rank}


def test_patience_counts_from_the_last_allocation_on(settings: RunSettings, tmp_path: Path) -> None:
    """Scores that never rise would end a run of LoRA after two evaluations, before the budget is met."""
    still = replace(settings, learning_rate=1e-9, patience=1)
    lora = train(replace(still, method="lora"), tmp_path / "lora", use_cpu=True)
    assert [row["epoch"] for row in lora["history"]] == [1.0, 2.0]
    ada = train(replace(still, method="condadalora"), tmp_path / "ada", use_cpu=True)
    assert [row["epoch"] for row in ada["history"]] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert sum(ada["ranks"].values()) <= 16


def test_the_paper_has_no_rate_for_it(settings: RunSettings, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no learning rate of adalora; pass one with --lr"):
        train(replace(settings, learning_rate=None), tmp_path / "none", use_cpu=True)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("method", METHODS)
def test_one_step_is_none_to_allocate_in(
    settings: RunSettings, tmp_path: Path, method: str
) -> None:
    one = replace(settings, method=method, epochs=1, train_rows=8)
    with pytest.raises(SettingsError, match=r"has 1 optimizer step, .* choose more --epochs, or"):
        train(one, tmp_path / "none", use_cpu=True)
    assert not (tmp_path / "none").exists()
    two = train(replace(one, epochs=2), tmp_path / "two", use_cpu=True)
    assert two["steps"] == 2


def test_the_command(settings: RunSettings, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app,
        ["train", "--task", "rte", "--method", "condadalora", "--data", str(settings.data), "--base", settings.base,
         "--lr", "0.01", "--epochs", "1", "--max-length", "32", "--out", str(tmp_path / "out"), "--cpu", "--json"],
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["settings"]["method"] == "condadalora"
    assert load_adapter(tmp_path / "out").method == "condadalora"
