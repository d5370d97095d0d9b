"""What `lora-lens train` does when its run is over; the run itself is another test's."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import lora_lens as ll
from lora_lens.card.push import Pushed
from lora_lens.cli import app


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Of which the run is the demo's adapter."""
    run = pytest.importorskip("lora_lens.training.run")

    def train(_settings: Any, out: Path, **_: Any) -> dict[str, Any]:
        shutil.copytree(ll.demo_adapter("lora"), out, dirs_exist_ok=True)
        return json.loads((out / "run.json").read_text()) | {"test_score": 0.8474}

    monkeypatch.setattr(run, "train", train)
    monkeypatch.setenv("HF_TOKEN", "hf_" + "a" * 34)
    base = "sentence-transformers/all-MiniLM-L6-v2"
    return ["train", "--task", "stsb", "--base", base, "--out", str(tmp_path / "out")]


def test_it_leaves_a_card(command: list[str], tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [*command, "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["test_score"] == 0.8474
    assert "0.8474" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert (tmp_path / "out" / "spectrum.png").is_file()


def test_the_other_processes_of_torchrun_say_and_write_nothing(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("alone", "progress", "resuming"):
        monkeypatch.setattr(f"lora_lens.training.{module}.is_first_process", lambda: False)
    result = CliRunner().invoke(app, [*command, "--json"])
    assert (result.exit_code, result.output) == (0, "")
    assert not (tmp_path / "out" / "README.md").exists()


def test_a_rank_of_another_launcher_is_a_run_of_its_own(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a job's controller sets it: without LOCAL_RANK one process trains, and it says and writes all."""
    monkeypatch.setenv("RANK", "1")
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0
    assert "on the test set" in result.stdout
    assert (tmp_path / "out" / "README.md").exists()


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_it_leaves_a_card_though_nobody_reads_the_score(
    more: list[str], command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def echo(*_: Any, err: bool = False, **__: Any) -> None:
        if not err:
            raise BrokenPipeError

    monkeypatch.setattr("typer.echo", echo)
    assert CliRunner().invoke(app, [*command, *more]).exit_code == 1
    assert (tmp_path / "out" / "README.md").is_file()


def test_a_card_that_was_there_stays(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "README.md").write_text("# Mine\n")
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0
    assert "README.md is not lora-lens's, or was changed since, and stays as it is" in " ".join(
        result.stderr.split()
    )
    assert (tmp_path / "out" / "README.md").read_text() == "# Mine\n"


def test_a_push_that_fails_leaves_the_run_whole(command: list[str], tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [*command, "--push-to-hub", "me/adapter"])  # tests are offline
    assert result.exit_code == 1
    assert "0.8474 on the test set" in result.stdout
    assert "is whole, but was not pushed to me/adapter" in result.stderr
    assert "push it by: the same command with --resume" in " ".join(result.stderr.split())
    assert ll.load_adapter(tmp_path / "out").method == "lora"
    assert (tmp_path / "out" / "README.md").is_file()


def test_a_push_says_where_and_what(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def push(folder: Path, name: str, *, files: Sequence[str], private: bool, again: str) -> Pushed:
        asked.append((folder.name, name, private, all((folder / one).is_file() for one in files)))
        warnings.warn("in README.md:\n- no license", UserWarning, stacklevel=1)
        return Pushed("https://hub/me/adapter/commit/1", ("run.json",), ("tensorboard",))

    monkeypatch.setattr("lora_lens.card.push.push", push)
    options = ["--push-to-hub", "me/adapter", "--private", "--json"]
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        result = CliRunner().invoke(app, [*command, *options])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["commit"] == "https://hub/me/adapter/commit/1"
    assert asked == [("out", "me/adapter", True, True)]
    assert '"me/adapter", num_labels=1' in (tmp_path / "out" / "README.md").read_text("utf-8")
    assert result.stderr.splitlines()[-4:] == [
        "warning: in README.md: - no license",
        "pushed to https://hub/me/adapter/commit/1",
        "without the paths of this machine: run.json",
        "not pushed: tensorboard",
    ]


def test_a_run_that_is_interrupted_as_it_is_pushed_is_whole(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lora_lens.card.push.push", interrupt)
    result = CliRunner().invoke(app, [*command, "--push-to-hub", "me/adapter"])
    assert result.exit_code == 130
    said = " ".join(result.stderr.split())
    assert said.endswith("out is whole; push it to me/adapter by: the same command with --resume")
    assert (tmp_path / "out" / "README.md").is_file()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--private"], "--private is for --push-to-hub"),
        (["--push-to-hub", "a/b/c"], "owner/name"),
        (["--push-to-hub", "me/adapter"], "none on this machine: log in by `hf auth login`"),
    ],
)
def test_what_cannot_be_pushed_is_said_before_the_run(
    options: list[str],
    said: str,
    command: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    result = CliRunner().invoke(app, [*command, *options])
    assert result.exit_code == 1
    assert said in " ".join(result.stderr.split())
    assert not (tmp_path / "out").exists()


def test_what_is_warned_of_is_a_line(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """While the run goes on, and without Python's file and line before it."""
    run = pytest.importorskip("lora_lens.training.run")
    models = pytest.importorskip("lora_lens.training.models")
    trained = run.train

    def train(*given: Any, **named: Any) -> Any:
        warnings.warn("the head is new", models.NewHeadWarning, stacklevel=1)
        return trained(*given, **named)

    monkeypatch.setattr(run, "train", train)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        result = CliRunner().invoke(app, command)
    assert result.stderr.startswith("warning: the head is new\nwrote ")


def test_ctrl_c_while_the_card_is_drawn(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The adapter is whole, and the last checkpoint is gone."""
    with monkeypatch.context() as patched:

        def interrupt(*_: Any) -> None:
            raise KeyboardInterrupt

        patched.setattr("lora_lens.card.write.write_card", interrupt)
        result = CliRunner().invoke(app, command)
    assert result.exit_code == 130
    said = " ".join(result.stderr.split())
    assert (
        "out holds the whole adapter, and the same command with --resume writes its model" in said
    )
    assert "checkpoint" not in said
    assert CliRunner().invoke(app, [*command, "--resume"]).exit_code == 0
    assert (tmp_path / "out" / "README.md").is_file()
