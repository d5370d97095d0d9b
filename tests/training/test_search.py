import csv
import json
import shutil
import signal
import socket
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
import torch
from forked import Forked, killed_at_its_first_checkpoint, killed_before, lora_lens, race
from glue_folder import write_rte
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from own_rows import write_own
from safetensors.torch import load_file
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool
from tiny_base import SMALL, write_base
from transformers import BertConfig, BertModel
from typer.testing import CliRunner

from lora_lens.cli import app
from lora_lens.errors import AdapterError, BaseModelError, DataError, OutputError, SettingsError
from lora_lens.training import ownership, study
from lora_lens.training import search as module
from lora_lens.training.alone import BusyError
from lora_lens.training.damage import DamagedRunError
from lora_lens.training.data import open_data
from lora_lens.training.search import search
from lora_lens.training.settings import RunSettings
from lora_lens.training.space import Plan, Sampler, Space
from lora_lens.training.study import open_study
from lora_lens.training.trials import best_trial, trial_rows, write_search


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rte(tmp_path_factory.mktemp("glue"))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Its dense layers are not square."""
    torch.manual_seed(0)
    model = BertModel(BertConfig(**SMALL | {"intermediate_size": 32}))
    return write_base(tmp_path_factory.mktemp("base"), model)


@pytest.fixture(scope="module")
def settings(base: str, data: Path) -> RunSettings:
    return RunSettings(
        task="rte", method="condlora", base=base, data=str(data), epochs=2, max_length=32
    )


def command(settings: RunSettings, out: Path, *more: str) -> list[str]:
    return [
        "search", "--task", "rte", "--method", "condlora", "--base", settings.base,
        "--data", str(settings.data), "--epochs", "2", "--max-length", "32", "--cpu",
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


@pytest.fixture(scope="module")
def undisturbed(
    settings: RunSettings, tmp_path_factory: pytest.TempPathFactory
) -> dict[Sampler, list[float]]:
    """The rates of four trials of a study that nothing stops, by sampler."""
    samplers: tuple[Sampler, ...] = ("tpe", "qmc")
    found = {}
    for sampler in samplers:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(module, "train", fake_train(iter([0.1, 0.5, 0.3, 0.2])))
            out = tmp_path_factory.mktemp("whole")
            study = search(settings, out, trials=4, sampler=sampler)
        found[sampler] = rates_of(study)
    return found


def rates_of(study: optuna.Study) -> list[float]:
    """Of the trials that are done."""
    done = [trial for trial in study.trials if trial.state == TrialState.COMPLETE]
    return [trial.params["learning_rate"] for trial in done]


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
    settings: RunSettings,
    undisturbed: dict[Sampler, list[float]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "train", fake_train(iter([0.1, 0.5, 0.3, 0.2])))
    for trials in (1, 3, 4):
        study = search(settings, tmp_path, trials=trials)
    assert [trial.params["learning_rate"] for trial in study.trials] == undisturbed["tpe"]
    assert len(set(undisturbed["tpe"])) == 4


def test_a_crashed_trial_is_recorded_and_the_study_goes_on(
    settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash = RuntimeError("CUDA error: an illegal memory access")
    monkeypatch.setattr(module, "train", fake_train(iter([0.1, crash, 0.3])))
    study = search(settings, tmp_path, trials=3)
    assert [row["state"] for row in trial_rows(study)] == ["complete", "fail", "complete"]
    assert trial_rows(study)[1]["error"] == f"RuntimeError: {crash}"
    assert write_search(study, tmp_path)["best"]["trial"] == 2


def test_a_trial_whose_folder_is_damaged_or_in_use_does_not_end_the_study(
    settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every restart would end by it again; one that is in use is not counted."""
    damaged = DamagedRunError("the unfinished run in 1 has no whole checkpoint")
    scores = iter([0.1, damaged, BusyError("another process is training in 2"), 0.3])
    monkeypatch.setattr(module, "train", fake_train(scores))
    study = search(settings, tmp_path / "out", trials=3)
    rows = trial_rows(study)
    assert [row["error"] for row in rows if row["error"]] == [str(damaged)]
    assert sorted(row["development_score"] for row in rows if row["development_score"]) == [
        0.1,
        0.3,
    ]
    assert next(scores, None) is None


def test_a_trial_of_several_seeds_scores_their_mean(
    settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[tuple[str, int, float | None]] = []
    scores = {(0, 0): 0.75, (0, 1): 0.25, (1, 0): 0.625, (1, 1): 0.5}

    def train(settings: RunSettings, out: Path, **_: Any) -> dict[str, Any]:
        trained.append((out.name, settings.seed, settings.learning_rate))
        return {"development_score": scores[int(out.name[0]), settings.seed], "seconds": 2.0}

    monkeypatch.setattr(module, "train", train)
    study = search(settings, tmp_path, trials=2, seeds=(0, 1))
    assert [trial.value for trial in study.trials] == [0.5, 0.5625]  # by seed 0 alone: the first
    assert study.best_trial.number == 1
    assert [row["seconds"] for row in trial_rows(study)] == [4.0, 4.0]
    assert [one[:2] for one in trained] == [
        ("0", 0), ("0-seed-1", 1), ("1", 0), ("1-seed-1", 1),
    ]  # fmt: skip
    assert trained[0][2] == trained[1][2] != trained[2][2] == trained[3][2]
    assert write_search(study, tmp_path)["settings"]["space"]["seeds"] == [0, 1]
    with pytest.raises(SettingsError, match=r"begun with seeds = \[0, 1\], now it is None"):
        search(settings, tmp_path, trials=2)
    with pytest.raises(SettingsError, match="seeds of a trial are 1, 1; expected each once"):
        search(settings, tmp_path / "other", trials=2, seeds=(1, 1))


def test_only_crashes(
    settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "train", fake_train(iter([ZeroDivisionError("a"), KeyError("b")])))
    study = search(settings, tmp_path, trials=2)
    with pytest.raises(SettingsError, match=r"no trial.*finished.*KeyError: 'b'"):
        write_search(study, tmp_path)
    assert not (tmp_path / "search.json").exists()


# The latter where what the trial says is read no more, as in a pipe into `head`.
@pytest.mark.parametrize("error", [DataError("no rows"), BrokenPipeError("Broken pipe")])
def test_what_every_trial_would_meet_ends_the_study_and_costs_no_trial(
    error: Exception, settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "train", fake_train(iter([error])))
    with pytest.raises(type(error), match=str(error)):
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
    monkeypatch.setattr(module, "train", fake_train(iter([0.3, 0.2])))
    study = search(settings, tmp_path, trials=3)
    done = [trial for trial in study.trials if trial.state == TrialState.COMPLETE]
    assert len(done) == 3
    assert study.trials[2].params == study.trials[1].params
    folders = ["trials/0", "trials/1", "trials/1", "trials/3"]
    assert [row["folder"] for row in trial_rows(study)] == folders
    assert write_search(study, tmp_path)["best"]["folder"] == "trials/1"
    assert "folder" not in (tmp_path / "history.svg").read_text()  # no panel of it


@pytest.mark.parametrize("at", [0, 1, 2])
def test_an_interruption_changes_no_rate(
    settings: RunSettings, undisturbed: dict[Sampler, list[float]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:  # fmt: skip
    """What is taken up again has a number of its own, by which no other rate is to be drawn."""
    scores: list[Any] = [0.1, 0.5, 0.3, 0.2]
    monkeypatch.setattr(module, "train", fake_train(iter([*scores[:at], KeyboardInterrupt()])))
    with pytest.raises(KeyboardInterrupt):
        search(settings, tmp_path, trials=4)
    monkeypatch.setattr(module, "train", fake_train(iter(scores[at:])))
    assert rates_of(search(settings, tmp_path, trials=4)) == undisturbed["tpe"]


@pytest.mark.parametrize("sampler", ["tpe", "qmc"])
# The latter as where it is killed.
@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("at", [0, 1])
def test_a_trial_stopped_before_its_rate_is_drawn_draws_that_rate(
    settings: RunSettings, undisturbed: dict[Sampler, list[float]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    at: int, stop: type[BaseException], sampler: Sampler
) -> None:  # fmt: skip
    suggest, asked = Space.suggest, iter(range(8))

    def stopped_once(space: Space, trial: optuna.Trial, settings: RunSettings) -> RunSettings:
        if next(asked) == at:
            raise stop
        return suggest(space, trial, settings)

    monkeypatch.setattr(Space, "suggest", stopped_once)
    monkeypatch.setattr(module, "train", fake_train(iter([0.1] * 4)))
    with pytest.raises(stop):
        search(settings, tmp_path, trials=4, sampler=sampler)
    monkeypatch.setattr(ownership, "_owner_is_gone", lambda _: True)
    assert rates_of(search(settings, tmp_path, trials=4, sampler=sampler)) == undisturbed[sampler]


def test_other_settings_do_not_go_into_one_study(
    settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "train", fake_train(iter([0.1])))
    search(settings, tmp_path, trials=1)
    with pytest.raises(SettingsError, match="epochs = 2, now it is 3"):
        search(replace(settings, epochs=3), tmp_path, trials=1)
    with pytest.raises(SettingsError, match="prune = True, now it is False"):
        search(settings, tmp_path, trials=1, prune=False)


def test_the_way_out_of_a_study_begun_otherwise_is_one(
    settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another name alone would find the folders of the first study's trials taken."""
    monkeypatch.setattr(module, "train", fake_train(iter([0.1, 0.2, 0.3, 0.4])))
    other = replace(settings, epochs=3)
    search(settings, tmp_path / "one", trials=1)
    with pytest.raises(SettingsError, match="use the same, or another --out$"):
        search(other, tmp_path / "one", trials=1)
    search(other, tmp_path / "another", trials=1)
    storage = f"sqlite:///{tmp_path / 'shared.db'}"
    search(settings, tmp_path / "shared", trials=1, storage=storage)
    with pytest.raises(SettingsError, match="use the same, or another --out and --name$"):
        search(other, tmp_path / "apart", trials=1, storage=storage)
    search(other, tmp_path / "apart", trials=1, storage=storage, name="another")


def test_a_study_from_before_pruning_was_written_down_goes_on(
    settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "train", fake_train(iter([0.1, 0.2])))
    study = search(settings, tmp_path, trials=1)
    begun = study.user_attrs["settings"]
    assert begun["space"].pop("prune") is True
    study.set_user_attr("settings", begun)
    assert len(search(settings, tmp_path, trials=2, prune=False).trials) == 2


def test_a_study_from_before_some_could_be_asked_for_goes_on(
    settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "train", fake_train(iter([0.1, 0.2])))
    study = search(settings, tmp_path, trials=1)
    begun = study.user_attrs["settings"]
    del begun["run"]["head"], begun["run"]["stop_after"]
    study.set_user_attr("settings", begun)
    with pytest.raises(SettingsError, match=r"begun with stop_after = None, now it is 1\.0"):
        search(replace(settings, stop_after=1.0), tmp_path, trials=2)
    assert len(search(settings, tmp_path, trials=2).trials) == 2


def test_a_study_does_not_go_on_with_other_data(
    data: Path, settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "train", fake_train(iter([0.1, 0.2])))
    moved = tmp_path / "moved"
    shutil.copytree(data, moved)
    study = search(replace(settings, data=str(moved)), tmp_path / "out", trials=1)
    train = moved / "RTE" / "train.tsv"
    train.write_text(train.read_text() + "9999\ta\tb\tentailment\n")
    with pytest.raises(
        SettingsError, match=r"begun with the checksum of train\.tsv = '[0-9a-f]{64}', now"
    ):
        search(replace(settings, data=str(moved)), tmp_path / "out", trials=2)
    before = study.user_attrs["settings"]  # of a study from before the data were written down
    del before["data"]
    study.set_user_attr("settings", before)
    study = search(replace(settings, data=str(moved)), tmp_path / "out", trials=2)
    assert len(study.trials) == 2
    assert study.user_attrs["settings"]["data"] == checksums(replace(settings, data=str(moved)))


def test_a_study_goes_on_with_ones_own_data_elsewhere(
    settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "train", fake_train(iter([0.1, 0.2])))

    def of(folder: str) -> RunSettings:
        own = write_own(tmp_path / folder, classes=2)
        return replace(settings, task="mine", data=None, own=own)

    search(of("one"), tmp_path / "out", trials=1)
    assert len(search(of("other"), tmp_path / "out", trials=2).trials) == 2
    changed = of("other")
    train = tmp_path / "other" / "own.csv"
    train.write_text(train.read_text() + train.read_text().splitlines()[-1] + "\n")
    with pytest.raises(
        SettingsError, match=r"begun with the checksum of train = '[0-9a-f]{64}', now"
    ):
        search(changed, tmp_path / "out", trials=3)


def test_a_study_goes_on_with_the_same_data_elsewhere(
    data: Path, settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where they lie decides no score, and `train --resume` does not ask either."""
    monkeypatch.setattr(module, "train", fake_train(iter([0.1, 0.2])))
    search(settings, tmp_path / "out", trials=1)
    monkeypatch.chdir(data.parent)
    study = search(replace(settings, data=data.name), tmp_path / "out", trials=2)
    assert len(study.trials) == 2


def test_without_its_data_no_study_is_begun(settings: RunSettings, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        search(replace(settings, data=str(tmp_path / "none")), tmp_path / "out", trials=1)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "seeds", "error"),
    [
        ({"base": "no-such-folder"}, (), BaseModelError),
        ({"target_modules": ("quer",)}, (), AdapterError),
        ({}, (-1,), SettingsError),
        ({"max_length": 100_000}, (), SettingsError),
        ({"target_modules": ("intermediate.dense",), "convention": "stored"}, (), AdapterError),
        ({"method": "adalora", "epochs": 1, "train_rows": 8}, (), SettingsError),  # one step
    ],
)
def test_what_no_trial_could_begin_with_begins_no_study(
    settings: RunSettings,
    tmp_path: Path,
    changes: dict[str, Any],
    seeds: tuple[int, ...],
    error: type,
) -> None:
    """The corrected command would find a study that was begun otherwise."""
    with pytest.raises(error):
        search(replace(settings, **changes), tmp_path / "out", trials=1, seeds=seeds)
    assert not (tmp_path / "out").exists()


def test_a_storage_that_cannot_be_opened(settings: RunSettings, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be opened"):
        search(settings, tmp_path, storage="sqlite:////nowhere/at/all/study.db")
    with pytest.raises(
        OutputError, match=r"//me:\*\*\*@localhost:1/none (cannot|needs psycopg.*pip)"
    ):
        search(settings, tmp_path, storage="postgresql://me:secret@localhost:1/none")


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnhandledThreadExceptionWarning"
)  # the heartbeat's
@pytest.mark.parametrize("error", [None, RuntimeError("a crash")])
def test_a_storage_that_cannot_be_written(
    settings: RunSettings, tmp_path: Path, error: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trial that ends when its study is locked, as on a disk that is full, is taken up again."""
    lock = sqlite3.connect(tmp_path / "study.db", isolation_level=None)

    def train(*_: Any, **__: Any) -> dict[str, Any]:
        lock.execute("BEGIN EXCLUSIVE")
        if error:
            raise error
        return {"development_score": 0.5, "seconds": 0.1}

    monkeypatch.setattr(study, "_PATIENCE", 0.1)
    monkeypatch.setattr(module, "train", train)
    with (
        closing(lock),
        pytest.raises(OutputError, match="study 'rte-condlora' cannot be written: .* is locked"),
    ):
        search(settings, tmp_path, trials=2)
    monkeypatch.setattr(ownership, "_owner_is_gone", lambda trial: trial.number == 0)
    monkeypatch.setattr(module, "train", fake_train(iter([0.1, 0.2])))
    rows = trial_rows(search(settings, tmp_path, trials=2))
    assert [row["state"] for row in rows] == ["interrupted", "complete", "complete"]
    assert rows[0]["learning_rate"] == rows[1]["learning_rate"]


def test_several_processes_of_one_launcher(
    settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each would try other values of its own, and average gradients with the others."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SettingsError, match=r"one of 2 processes.*with one --storage"):
        search(settings, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"learning_rate": (1e-2, 1e-3)}, "lowest learning rate is 0.01"),
        ({"learning_rate": (0.0, 1e-3)}, "lowest learning rate is 0.0"),
        ({"learning_rate": (1e-3, float("nan"))}, "the highest nan"),
        ({"ranks": (8, 0)}, "rank 0 cannot be tried"),
        ({"alphas": (-1.0,)}, "alpha -1.0 cannot be tried"),
        ({"dropout": (0.2, 0.1)}, "lowest dropout is 0.2 and the highest 0.1"),
        ({"dropout": (0.0, 1.5)}, "the highest 1.5"),
        ({"dropout": (0.0, float("nan"))}, "the highest nan"),
    ],
)
def test_nothing_to_try(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        Space(**changes)


def checksums(settings: RunSettings) -> dict[str, str]:
    """Of its data."""
    return open_data(settings.task, settings.data, settings.own)[1].checksums


@pytest.mark.parametrize("statement", ["CREATE TABLE trials", "CREATE UNIQUE INDEX", "INSERT"])
def test_a_study_that_was_being_made_is_made_by_the_next(
    statement: str, settings: RunSettings, tmp_path: Path
) -> None:
    """Without the index of its name the third process to open it made another of that name, and none after it could."""
    plan = Plan(Space(), (settings.seed,), "qmc", prune=True)
    cut = Forked(tmp_path / "cut.txt", killed_before, statement, settings, plan, tmp_path)
    assert cut.exit_code() == -signal.SIGKILL, cut.errors.read_text()
    studies = [open_study(settings, {}, plan, tmp_path)._study_id for _ in range(3)]
    assert len(set(studies)) == 1


def test_threads_open_studies_at_once_and_leave_other_engines_alone(
    settings: RunSettings, tmp_path: Path
) -> None:
    plan = Plan(Space(), (settings.seed,), "qmc", prune=True)
    other = create_engine(f"sqlite:///{tmp_path / 'other.db'}", poolclass=NullPool)
    with other.begin() as link:
        link.exec_driver_sql("CREATE TABLE t (x)")

    def opened(number: int) -> int:
        return open_study(settings, {}, plan, tmp_path / str(number % 2))._study_id

    def undo() -> None:
        with suppress(ZeroDivisionError), other.begin() as link:
            link.exec_driver_sql("INSERT INTO t VALUES (1)")
            raise ZeroDivisionError

    with ThreadPoolExecutor(5) as pool:
        undone = pool.submit(lambda: [undo() for _ in range(20)])
        assert list(pool.map(opened, range(4))) == [1] * 4
        undone.result()
    with other.connect() as link:
        assert link.exec_driver_sql("SELECT count(*) FROM t").scalar() == 0


def lose_a_trial(settings: RunSettings, out: Path, host: str) -> optuna.Study:
    """As a process leaves it that was killed in the middle of trial 0."""
    plan = Plan(Space(), (settings.seed,), "tpe", prune=True)
    study = open_study(settings, checksums(settings), plan, out)
    trial = optuna.trial.create_trial(
        state=TrialState.RUNNING,
        params={"learning_rate": 1e-3},
        distributions={"learning_rate": optuna.distributions.FloatDistribution(5e-5, 5e-3, log=True)},
        user_attrs={"owner": [host, 2**22 + 1, 0.0]},
    )  # fmt: skip
    study.add_trial(trial)
    return study


def test_a_trial_that_was_killed_between_its_end_and_its_report(
    settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_a_trial(settings, tmp_path, socket.gethostname())
    folder = tmp_path / "trials" / "0"
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text("{}")
    record = {
        "settings": asdict(replace(settings, learning_rate=1e-3)),
        "data_sha256": checksums(settings),
        "development_score": 0.7,
        "seconds": 9.0,
        "history": [{"development_score": 0.6}, {"development_score": 0.7}],
    }
    (folder / "run.json").write_text(json.dumps(record))
    monkeypatch.setattr(module, "train", fake_train(iter([])))
    study = search(settings, tmp_path, trials=1)
    assert study.best_value == 0.7
    assert study.best_trial.intermediate_values == {1: 0.6, 2: 0.7}
    assert [row["state"] for row in trial_rows(study)] == ["interrupted", "complete"]


def test_an_evaluation_is_told_once_though_its_process_was_killed_before_its_checkpoint() -> None:
    """What takes the trial up evaluates again, and Optuna warned of it in Python's words."""
    trial = optuna.create_study(direction="maximize").ask()
    state = SimpleNamespace(log_history=[{"eval_score": 0.5}])
    for _ in range(2):
        module._Pruning(trial).on_evaluate(None, state, None, metrics={"eval_score": 0.5})
    assert trial.study.trials[0].intermediate_values == {1: 0.5}


def test_a_trial_of_a_machine_that_has_gone_silent(
    settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counts as running until its heartbeat is too old, and is taken up then."""
    lose_a_trial(settings, tmp_path, "another machine")
    monkeypatch.setattr(module, "train", fake_train(iter([0.4])))
    assert [trial.state for trial in search(settings, tmp_path, trials=1).trials] == [
        TrialState.RUNNING
    ]
    with closing(sqlite3.connect(tmp_path / "study.db")) as database:
        database.execute(
            "INSERT INTO trial_heartbeats (trial_id, heartbeat) VALUES (1, '2000-01-01 00:00:00')"
        )
        database.commit()
    study = search(settings, tmp_path, trials=1)
    assert [trial.state for trial in study.trials] == [TrialState.FAIL, TrialState.COMPLETE]
    assert study.trials[1].params == {"learning_rate": 1e-3}


def test_what_two_took_up_is_one_of_them_twice() -> None:
    study = optuna.create_study()
    for history in ([0], [0], [0, 1], []):
        attrs = {"retry_history": history} if history else {}
        study.add_trial(optuna.trial.create_trial(value=0.1, system_attrs=attrs))
    twice = [ownership.taken_up_twice(study, trial) for trial in study.get_trials()]
    assert twice == [False, True, False, False]


def test_a_trial_whose_process_was_killed_before_it_put_another_ones_back(
    settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had told it as lost; that is no end."""
    study = lose_a_trial(settings, tmp_path, socket.gethostname())
    with monkeypatch.context() as killed:
        killed.setattr(ownership, "put_back", fails)
        with pytest.raises(RuntimeError):
            ownership.take_back(study)
    assert [trial.state for trial in study.trials] == [TrialState.FAIL]
    for _ in range(2):
        ownership.take_back(study)
    assert [trial.state for trial in study.trials] == [TrialState.FAIL, TrialState.WAITING]
    ownership.put_back(study, study.trials[0])  # as a slow process does
    assert [row["state"] for row in trial_rows(study)] == ["interrupted", "waiting"]
    monkeypatch.setattr(module, "train", fake_train(iter([0.4, 0.5])))
    study = search(settings, tmp_path, trials=2)
    rows = trial_rows(study)
    assert [row["state"] for row in rows] == ["interrupted", "complete", "complete"]
    assert [row["trial"] for row in rows] == [0, 1, 3]


def fails(*_: object) -> None:
    raise RuntimeError


def test_a_trial_that_was_left_to_another_is_seen_when_it_is_taken_up(
    settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who seemed gone trained it still, and is gone before its end after all."""
    scores = iter([BusyError("another process is training in 0"), 0.3, 0.4])
    monkeypatch.setattr(module, "train", fake_train(scores))
    for trials in (1, 2):
        study = search(settings, tmp_path, trials=trials)
    assert study.trials[2].system_attrs["retry_history"] == [0]
    rows = trial_rows(study)
    assert [(row["trial"], row["development_score"]) for row in rows] == [(1, 0.3), (2, 0.4)]


@pytest.mark.parametrize("slow", [0.0, 5.0])
def test_processes_that_start_at_one_moment(data: Path, tmp_path: Path, slow: float) -> None:
    """All of them find the same lost trials; each is taken up once, and none is lost or made twice."""
    settings = RunSettings(task="rte", method="condlora", base="b", data=str(data), epochs=2)
    for _ in range(2):
        study = lose_a_trial(settings, tmp_path, socket.gethostname())
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    racers = [
        Forked(tmp_path / f"{number}.txt", race, tmp_path / number, storage, str(data), late)
        for number, late in zip("01234567", (slow, *[0.0] * 7), strict=True)
    ]
    for racer in racers:
        assert racer.exit_code() == 0, racer.errors.read_text()
    done = [trial for trial in study.trials if trial.state == TrialState.COMPLETE]
    assert len(done) == 8
    assert len(trial_rows(study)) == 8 + 2
    history = [tuple(trial.system_attrs.get("retry_history", ())) for trial in done]
    assert sorted(filter(None, history)) == [(0,), (1,)]


def test_a_bad_trial_is_pruned(settings: RunSettings, tmp_path: Path) -> None:
    good = {1: 0.5, 2: 0.6}
    plan = Plan(Space(), (settings.seed,), "tpe", prune=True)
    study = open_study(settings, checksums(settings), plan, tmp_path)
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


def test_two_processes_share_a_study_and_lose_no_trial(
    settings: RunSettings, tmp_path: Path
) -> None:
    storage = f"sqlite:///{tmp_path / 'shared.db'}"
    both = [
        Forked(
            tmp_path / f"{number}.txt",
            lora_lens,
            command(settings, tmp_path / f"out{number}", "--storage", storage, "--trials", "4"),
        )
        for number in range(2)
    ]
    for process in both:
        assert process.exit_code() == 0, process.errors.read_text()
    # No connection of this process is kept open: from Python 3.13 on that is a warning.
    here = RDBStorage(storage, engine_kwargs={"poolclass": NullPool})
    study = optuna.load_study(study_name="rte-condlora", storage=here)
    done = [t for t in study.trials if t.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    assert len(done) == 4
    assert len({trial.params["learning_rate"] for trial in done}) == 4
    owners = {tuple(trial.user_attrs["owner"]) for trial in done}
    assert len(owners) == 2


def test_a_killed_search_goes_on_with_the_trial_it_was_at(
    settings: RunSettings, tmp_path: Path
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert CliRunner().invoke(app, command(settings, whole, "--trials", "1")).exit_code == 0
    words = command(settings, killed, "--trials", "1")
    first = Forked(tmp_path / "killed.txt", killed_at_its_first_checkpoint, words)
    assert first.exit_code() == -signal.SIGKILL, first.errors.read_text()
    again = CliRunner().invoke(app, words)
    assert again.exit_code == 0, again.stderr
    assert "(trials/0, the best of 1)" in again.stdout
    record = json.loads((killed / "search.json").read_text())
    assert [row["state"] for row in record["trials"]] == ["interrupted", "complete"]
    assert record["trials"][0]["error"] is None
    assert {one["folder"] for one in (record["best"], *record["trials"])} == {"trials/0"}
    one, other = (
        load_file(folder / "trials" / "0" / "adapter_model.safetensors")
        for folder in (whole, killed)
    )
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_the_command_says_what_it_found(settings: RunSettings, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, command(settings, tmp_path / "out", "--trials", "1"))
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("best: learning rate ")
    assert "(trials/0, the best of 1)" in result.stdout
    assert "trial 0 complete (learning_rate " in result.stderr


def test_the_command_in_json(
    settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "train", fake_train(iter([0.1, 0.3])))
    arguments = command(settings, tmp_path / "out", "--trials", "2", "--json")
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found == json.loads((tmp_path / "out" / "search.json").read_text())
    assert found["best"]["trial"] == 1


def test_a_crashed_trial_is_none_that_the_best_is_of(
    settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "train", fake_train(iter([ZeroDivisionError("a"), 0.3])))
    arguments = command(settings, tmp_path, "--trials", "2")
    result = CliRunner().invoke(app, arguments)
    assert "(trials/1, the best of 1; failed: trials/0)" in result.stdout


@pytest.mark.parametrize(
    ("more", "exit_code", "words"),
    [
        (("--low", "1e-2", "--high", "1e-3"), 1, "lowest learning rate"),
        (("--ranks", "8,x"), 2, "no list of numbers"),
        (("--trials", "0"), 2, "--trials"),
    ],
)
def test_bad_options(
    settings: RunSettings, tmp_path: Path, more: tuple[str, ...], exit_code: int, words: str
) -> None:
    result = CliRunner().invoke(app, command(settings, tmp_path / "out", *more))
    assert result.exit_code == exit_code
    assert words in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_trial_that_another_process_is_at_is_no_error() -> None:
    study = optuna.create_study(direction="maximize")
    study.ask()
    with pytest.raises(SettingsError, match=r"finished; another process is at one; the same"):
        best_trial(study)
