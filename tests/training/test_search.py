import csv
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from glue_folder import write_rte
from optuna.trial import TrialState
from safetensors.torch import load_file
from typer.testing import CliRunner

from lora_lens.cli import app
from lora_lens.errors import DataError, OutputError, SettingsError
from lora_lens.loaders.locate import DEMO_BASE
from lora_lens.training import search as module
from lora_lens.training.search import search
from lora_lens.training.settings import RunSettings
from lora_lens.training.space import Space
from lora_lens.training.study import open_study
from lora_lens.training.trials import trial_rows, write_search


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rte(tmp_path_factory.mktemp("glue"))


@pytest.fixture
def settings(data: Path) -> RunSettings:
    return RunSettings(
        task="rte", method="condlora", base=DEMO_BASE, data=str(data), epochs=2, max_length=32
    )


def command(data: Path, out: Path, *more: str) -> list[str]:
    return [
        sys.executable, "-m", "lora_lens", "search", "--task", "rte", "--method", "condlora",
        "--base", DEMO_BASE, "--data", str(data), "--epochs", "2", "--max-length", "32", "--cpu",
        "--out", str(out), *more,
    ]  # fmt: skip


def fake_train(scores: Iterator[Any]) -> Any:
    """Stands for a training run where only what the study makes of it matters."""

    def train(*_: Any, **__: Any) -> dict[str, Any]:
        score = next(scores)
        if isinstance(score, BaseException):
            raise score
        return {"development_score": score, "seconds": 0.1}

    return train


def test_a_real_search_and_its_files(settings: RunSettings, tmp_path: Path) -> None:
    study = search(settings, tmp_path, trials=3, use_cpu=True, prune=False)
    record = write_search(study, tmp_path)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 3
    for trial in study.trials:
        run = json.loads((tmp_path / "trials" / str(trial.number) / "run.json").read_text())
        assert run["settings"]["learning_rate"] == trial.params["learning_rate"]
        assert run["development_score"] == trial.value
        assert "test_score" not in run
        assert len(trial.intermediate_values) == 2
    assert record["best"]["development_score"] == max(trial.value for trial in study.trials)
    assert record == json.loads((tmp_path / "search.json").read_text())
    rows = list(csv.DictReader((tmp_path / "trials.csv").read_text().splitlines()))
    assert [row["state"] for row in rows] == ["complete"] * 3
    assert (tmp_path / "history.png").read_bytes()[1:4] == b"PNG"
    assert "development score" in (tmp_path / "history.svg").read_text()


def test_the_papers_space_is_the_default(settings: RunSettings) -> None:
    assert Space() == Space(learning_rate=(5e-5, 5e-3), ranks=(), alphas=(), dropout=None)
    trial = optuna.trial.FixedTrial({"learning_rate": 1e-3})
    assert Space().suggest(trial, settings) == replace(settings, learning_rate=1e-3)
    assert trial.distributions["learning_rate"].log


def test_rank_alpha_and_dropout_are_searched_where_asked(settings: RunSettings) -> None:
    space = Space(ranks=(2, 4), alphas=(8.0, 16.0), dropout=(0.0, 0.2))
    chosen = {"learning_rate": 1e-3, "rank": 4, "alpha": 16.0, "dropout": 0.1}
    suggested = space.suggest(optuna.trial.FixedTrial(chosen), settings)
    assert suggested == replace(settings, **chosen)


def test_trials_do_not_depend_on_when_the_study_was_stopped(
    settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rates(out: Path, *stops: int) -> list[float]:
        monkeypatch.setattr(module, "train", fake_train(iter([0.1, 0.5, 0.3, 0.2])))
        for trials in stops:
            study = search(settings, out, trials=trials)
        return [trial.params["learning_rate"] for trial in study.trials]

    once = rates(tmp_path / "once", 4)
    assert rates(tmp_path / "stopped", 1, 3, 4) == once
    assert len(set(once)) == 4


def test_a_crashed_trial_is_recorded_and_the_study_goes_on(
    settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash = RuntimeError("CUDA error: an illegal memory access")
    monkeypatch.setattr(module, "train", fake_train(iter([0.1, crash, 0.3])))
    study = search(settings, tmp_path, trials=3)
    assert [row["state"] for row in trial_rows(study)] == ["complete", "fail", "complete"]
    assert trial_rows(study)[1]["error"] == f"RuntimeError: {crash}"
    assert write_search(study, tmp_path)["best"]["trial"] == 2


def test_only_crashes(
    settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "train", fake_train(iter([ZeroDivisionError("a"), KeyError("b")])))
    study = search(settings, tmp_path, trials=2)
    with pytest.raises(SettingsError, match=r"no trial.*finished.*KeyError: 'b'"):
        write_search(study, tmp_path)
    assert not (tmp_path / "search.json").exists()


def test_what_every_trial_would_meet_ends_the_study_and_costs_no_trial(
    settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "train", fake_train(iter([DataError("no rows")])))
    with pytest.raises(DataError, match="no rows"):
        search(settings, tmp_path, trials=2)
    monkeypatch.setattr(module, "train", fake_train(iter([0.1, 0.2])))
    study = search(settings, tmp_path, trials=2)
    assert sorted(trial.state.name for trial in study.trials) == ["COMPLETE", "COMPLETE", "FAIL"]


def test_an_interrupted_trial_is_taken_up_again(
    settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "train", fake_train(iter([0.1, KeyboardInterrupt()])))
    with pytest.raises(KeyboardInterrupt):
        search(settings, tmp_path, trials=3)
    monkeypatch.setattr(module, "train", fake_train(iter([0.2, 0.3])))
    study = search(settings, tmp_path, trials=3)
    done = [trial for trial in study.trials if trial.state == TrialState.COMPLETE]
    assert len(done) == 3
    assert study.trials[2].params == study.trials[1].params


def test_other_settings_do_not_go_into_one_study(
    settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "train", fake_train(iter([0.1])))
    search(settings, tmp_path, trials=1)
    with pytest.raises(SettingsError, match="epochs = 2, now it is 3"):
        search(replace(settings, epochs=3), tmp_path, trials=1)


def test_a_storage_that_cannot_be_opened(settings: RunSettings, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be opened"):
        search(settings, tmp_path, storage="sqlite:////nowhere/at/all/study.db")
    with pytest.raises(OutputError, match="cannot be opened|needs a driver"):
        search(settings, tmp_path, storage="postgresql://localhost:1/none")


def test_a_bad_trial_is_pruned(settings: RunSettings, tmp_path: Path) -> None:
    good = {1: 0.5, 2: 0.6}
    study = open_study(settings, Space(), tmp_path, None, None, "tpe", True)
    for _ in range(2):
        study.add_trial(
            optuna.trial.create_trial(
                value=0.6,
                params={"learning_rate": 1e-3},
                distributions={"learning_rate": optuna.distributions.FloatDistribution(5e-5, 5e-3, log=True)},
                intermediate_values={step: value + 0.5 for step, value in good.items()},
            )
        )  # fmt: skip
    study = search(settings, tmp_path, trials=3, use_cpu=True)
    assert study.trials[2].state == TrialState.PRUNED
    assert not (tmp_path / "trials" / "2" / "adapter_config.json").exists()


def test_two_processes_share_a_study_and_lose_no_trial(data: Path, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'shared.db'}"
    both = [
        subprocess.Popen(
            command(data, tmp_path / f"out{number}", "--storage", storage, "--trials", "5"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    for process in both:
        _, errors = process.communicate(timeout=500)
        assert process.returncode == 0, errors
    study = optuna.load_study(study_name="rte-condlora", storage=storage)
    done = [t for t in study.trials if t.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    assert len(done) == 5
    assert len({trial.params["learning_rate"] for trial in done}) == 5
    owners = {tuple(trial.user_attrs["owner"]) for trial in done}
    assert len(owners) == 2


def test_a_killed_search_goes_on_with_the_trial_it_was_at(data: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(command(data, whole, "--trials", "1"), check=True, capture_output=True)
    first = subprocess.Popen(
        command(data, killed, "--trials", "1"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 300
    while not list(killed.glob("trials/0/checkpoints/checkpoint-*/trainer_state.json")):
        assert first.poll() is None, "the search ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    first.wait()
    subprocess.run(command(data, killed, "--trials", "1"), check=True, capture_output=True)
    record = json.loads((killed / "search.json").read_text())
    assert [row["state"] for row in record["trials"]] == ["interrupted", "complete"]
    assert record["trials"][0]["error"] is None
    one, other = (
        load_file(folder / "trials" / "0" / "adapter_model.safetensors")
        for folder in (whole, killed)
    )
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_the_command_says_what_it_found(data: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, command(data, tmp_path / "out", "--trials", "1")[3:])
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("best: learning rate ")
    assert "(trial 0 of 1)" in result.stdout
    assert "trial 0 complete (learning_rate " in result.stderr


@pytest.mark.parametrize(
    ("more", "exit_code", "words"),
    [
        (("--low", "1e-2", "--high", "1e-3"), 1, "lowest learning rate"),
        (("--ranks", "8,x"), 2, "no list of numbers"),
        (("--trials", "0"), 2, "--trials"),
    ],
)
def test_bad_options(
    data: Path, tmp_path: Path, more: tuple[str, ...], exit_code: int, words: str
) -> None:
    result = CliRunner().invoke(app, command(data, tmp_path / "out", *more)[3:])
    assert result.exit_code == exit_code
    assert words in result.stderr
    assert not (tmp_path / "out").exists()
