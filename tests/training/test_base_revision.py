"""A run on the commit that is asked for: two of other numbers in a real layout of the hub's cache."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from glue_folder import write_rte
from safetensors.torch import load_file, save_file
from tiny_base import write_tiny_base
from typer.testing import CliRunner

import lora_lens as ll
from lora_lens.cli import app

NEW, OLD = "a1" * 20, "b2" * 20


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Some/bert: main, whose W0 is twice that of the commit before."""
    repository = tmp_path / "hub" / "models--some--bert"
    for commit, factor in ((OLD, 1.0), (NEW, 2.0)):
        folder = repository / "snapshots" / commit
        write_tiny_base(folder)
        tensors = {
            name: factor * one for name, one in load_file(folder / "model.safetensors").items()
        }
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(NEW)
    return tmp_path


@pytest.fixture
def lens(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The command line beside that cache, without a network."""
    from huggingface_hub import constants
    from transformers.utils import hub

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    # transformers 4 has a copy of it.
    monkeypatch.setattr(hub, "TRANSFORMERS_CACHE", str(home / "hub"), raising=False)
    return lambda *arguments: CliRunner().invoke(app, [str(one) for one in arguments])


def test_a_run_is_on_its_revision_and_says_so(home: Path, lens: Callable[..., Result]) -> None:
    data, run = write_rte(home / "glue"), home / "run"
    of = ["--task", "rte", "--data", data, "--cpu"]
    short = [*of, "--epochs", 1, "--max-length", 16, "--train-rows", 16, "--lr", 1e-3]
    for base, commit in ((f"some/bert@{OLD[:8]}", OLD), ("some/bert", NEW)):
        done = lens("train", *short, "--base", base, "--out", run / commit)
        assert done.exit_code == 0, done.stderr
        record = json.loads((run / commit / "run.json").read_text())
        assert (record["settings"]["base"], record["base_commit"]) == (base, commit)
    pinned, moving = (
        json.loads((run / commit / "adapter_config.json").read_text()) for commit in (OLD, NEW)
    )
    assert (pinned["base_model_name_or_path"], pinned["revision"]) == ("some/bert", OLD[:8])
    assert (moving["base_model_name_or_path"], moving["revision"]) == ("some/bert", None)

    loaded = ll.load_adapter(run / OLD)
    assert (loaded.base_model, loaded.revision) == ("some/bert", OLD[:8])
    scored = lens("evaluate", run / OLD, *of, "--json")
    found = json.loads(scored.stdout)
    assert found["base"] == f"some/bert@{OLD[:8]}"
    assert found["score"] == json.loads((run / OLD / "run.json").read_text())["test_score"]
    missing = lens("train", *short, "--base", "some/bert@v9", "--out", run / "no")
    assert missing.exit_code == 1
    assert "base model 'some/bert', revision 'v9', cannot be loaded" in missing.stderr
    assert missing.stderr.strip().count("\n") == 0
