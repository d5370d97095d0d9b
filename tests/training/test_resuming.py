"""What a run that was stopped at any moment goes on to, and from what it refuses to go on."""

import errno
import json
import re
import shutil
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from glue_folder import write_rte
from peft import peft_model
from safetensors import SafetensorError
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_base import write_tiny_base
from torch.utils.tensorboard.writer import FileWriter
from transformers import PreTrainedTokenizerBase, TrainerCallback

from lora_lens.errors import OutputError, RecordError, SettingsError
from lora_lens.training import arguments, resuming
from lora_lens.training.damage import DamagedCheckpointWarning
from lora_lens.training.run import train
from lora_lens.training.settings import RunSettings
from lora_lens.training.trainer import LensTrainer


class KilledError(Exception):
    """Stands for a SIGKILL: nothing of the run is cleaned up after it."""


class KillAt(TrainerCallback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_save(self, *given: Any, **_: Any) -> None:
        if given[1].global_step == self.step:
            raise KilledError


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> RunSettings:
    folder = tmp_path_factory.mktemp("tiny")
    return RunSettings(
        task="rte", method="condlora", base=write_tiny_base(folder / "base"),
        data=str(write_rte(folder / "glue")), epochs=3, batch_size=8, learning_rate=3e-2,
        max_length=32,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _evaluate_within_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every third of an epoch's seven steps, as a large task every 1,500."""
    monkeypatch.setattr(arguments, "_LONGEST_INTERVAL", 3)


def killed(settings: RunSettings, out: Path, step: int) -> Path:
    with pytest.raises(KilledError):
        train(settings, out, use_cpu=True, callbacks=(KillAt(step),))
    assert (out / "checkpoints" / f"checkpoint-{step}").is_dir()
    assert not (out / "run.json").exists()
    return out


def went_on(
    settings: RunSettings, out: Path, category: type[Warning] = DamagedCheckpointWarning
) -> str:
    """What a resumed run warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", category)
        train(settings, out, use_cpu=True, resume=True)
    (warning,) = (one for one in caught if one.category is category)
    return str(warning.message)


def assert_same(one: Path, other: Path) -> None:
    weights, others = (load_file(out / "adapter_model.safetensors") for out in (one, other))
    assert all(torch.equal(tensor, others[name]) for name, tensor in weights.items())
    records = [json.loads((out / "run.json").read_text()) for out in (one, other)]
    for key in ("history", "steps", "best_step", "development_score", "test_score"):
        assert records[0][key] == records[1][key], key
    assert not (other / "unfinished.json").exists()
    assert not (other / "checkpoints").exists()


@pytest.mark.parametrize("grouped", [False, True])
def test_the_middle_of_an_epoch(settings: RunSettings, tmp_path: Path, grouped: bool) -> None:
    settings = replace(settings, group_by_length=grouped)
    train(settings, tmp_path / "whole", use_cpu=True)
    out = killed(settings, tmp_path / "killed", 12)
    state = out / "checkpoints" / "checkpoint-12" / "trainer_state.json"
    kept = json.loads(state.read_text())
    kept["log_history"][-1]["seconds"] += 100.0  # that the run had taken longer until then
    state.write_text(json.dumps(kept))
    assert train(settings, out, use_cpu=True, resume=True)["seconds"] > 100
    assert_same(tmp_path / "whole", out)


def test_a_run_that_goes_on_under_other_versions_says_so(
    settings: RunSettings, tmp_path: Path
) -> None:
    out = killed(settings, tmp_path / "out", 12)
    begun = json.loads((out / "unfinished.json").read_text())
    now = begun["versions"]
    begun["versions"] = now | {"torch": "1.0"}
    (out / "unfinished.json").write_text(json.dumps(begun))
    words = rf"was begun under torch 1\.0 and goes on under torch {re.escape(now['torch'])}: "
    assert re.search(words, went_on(settings, out, resuming.OtherVersionsWarning))
    record = json.loads((out / "run.json").read_text())
    assert (record["begun_under"]["torch"], record["versions"]) == ("1.0", now)


def test_a_run_from_before_versions_were_written_down_goes_on_without_a_word(
    settings: RunSettings, tmp_path: Path
) -> None:
    out = killed(settings, tmp_path / "out", 12)
    begun = json.loads((out / "unfinished.json").read_text())
    del begun["versions"]
    (out / "unfinished.json").write_text(json.dumps(begun))
    with warnings.catch_warnings():
        warnings.simplefilter("error", resuming.OtherVersionsWarning)
        assert "begun_under" not in train(settings, out, use_cpu=True, resume=True)


@pytest.mark.parametrize("method", ["adalora", "condadalora"])
@pytest.mark.parametrize("step", [6, 15])
def test_a_budget_goes_on_where_it_was(
    settings: RunSettings, tmp_path: Path, method: str, step: int
) -> None:
    """Before its last allocation, in step 13 of 21, and after it."""
    settings = replace(settings, method=method)
    whole = train(settings, tmp_path / "whole", use_cpu=True)
    out = killed(settings, tmp_path / "killed", step)
    again = train(settings, out, use_cpu=True, resume=True)
    assert_same(tmp_path / "whole", out)
    assert again["ranks"] == whole["ranks"]


@pytest.mark.parametrize("state", [None, '{"best_metric": 0.5,'])
def test_a_checkpoint_that_was_being_written(
    settings: RunSettings, tmp_path: Path, state: str | None
) -> None:
    train(settings, tmp_path / "whole", use_cpu=True)
    out = killed(settings, tmp_path / "killed", 12)
    half = out / "checkpoints" / "checkpoint-15"
    half.mkdir()
    (half / "adapter_model.safetensors").write_bytes(b"half")
    if state:
        (half / "trainer_state.json").write_text(state)
    found = r"empty, cut short or broken" if state else "missing"
    words = rf"goes on from checkpoint-12: in checkpoint-15 trainer_state\.json is {found}$"
    assert re.search(words, went_on(settings, out))
    assert_same(tmp_path / "whole", out)


def test_the_first_checkpoint_was_being_written(settings: RunSettings, tmp_path: Path) -> None:
    """A killed run begins anew by itself, and says so."""
    settings = replace(settings, epochs=1)
    train(settings, tmp_path / "whole", use_cpu=True)
    out = killed(settings, tmp_path / "killed", 3)
    (out / "checkpoints" / "checkpoint-3" / "trainer_state.json").write_text("")
    words = r"begins anew: in checkpoint-3 trainer_state\.json is empty"
    assert re.search(words, went_on(settings, out))
    assert_same(tmp_path / "whole", out)


@pytest.mark.parametrize("step", [3, 12])
def test_what_was_logged_before_a_kill_is_there_once(
    settings: RunSettings, tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An evaluation is logged before its checkpoint is written; of the first there is none to go on from."""
    settings, out = replace(settings, epochs=2), tmp_path / "killed"
    save = LensTrainer._save_checkpoint

    def killed_while(trainer: LensTrainer, *given: Any, **named: Any) -> None:
        if trainer.state.global_step == step:
            raise KilledError
        save(trainer, *given, **named)

    with monkeypatch.context() as patched:
        patched.setattr(LensTrainer, "_save_checkpoint", killed_while)
        with pytest.raises(KilledError):
            train(settings, out, use_cpu=True)
    for file in (out / "tensorboard").iterdir():
        # TensorBoard reads files in the order of their names, which begin with the second.
        file.rename(file.with_name(file.name.replace("tfevents.", "tfevents.0")))
    assert scores_of(out)[-1][0] == step
    train(settings, out, use_cpu=True, resume=True)
    history = json.loads((out / "run.json").read_text())["history"]
    assert scores_of(out) == [
        (row["step"], pytest.approx(row["development_score"])) for row in history
    ]
    assert len(list((out / "tensorboard").iterdir())) == 2


def scores_of(out: Path) -> list[tuple[int, float]]:
    events = EventAccumulator(str(out / "tensorboard"))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars("eval/score")]


FILES = (
    "adapter_model.safetensors", "adapter_config.json", "optimizer.pt", "scheduler.pt", "rng_state.pth",
    "budget.pt",
)  # fmt: skip


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def overwritten(file: Path) -> None:
    """Blocks that were never written are zeros; an archive's directory stands at its end."""
    octets = file.read_bytes()
    part = len(octets) // 4
    file.write_bytes(bytes(2 * part) + octets[2 * part :])


@pytest.fixture(scope="module")
def kept(settings: RunSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of AdaLoRA that was killed at its sixth evaluation of seven, with all of its checkpoints."""
    out = tmp_path_factory.mktemp("kept") / "out"
    settings = replace(settings, method="adalora")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(arguments, "_LONGEST_INTERVAL", 3)
        with pytest.raises(KilledError):
            train(settings, out, use_cpu=True, keep_checkpoints=True, callbacks=(KillAt(18),))
    return out


@pytest.mark.parametrize("damage", [cut_short, overwritten, lambda file: file.write_bytes(b""), Path.unlink])  # fmt: skip
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_checkpoint_is_passed_over(
    settings: RunSettings, kept: Path, tmp_path: Path, name: str, damage: Any
) -> None:
    out, settings = tmp_path / "out", replace(settings, method="adalora")
    shutil.copytree(kept, out)
    begun = json.loads((out / "unfinished.json").read_text())["data_sha256"]
    assert resuming.last_checkpoint(out, settings.resolved(), begun, resume=True) == (
        out / "checkpoints" / "checkpoint-18"
    )
    damage(out / "checkpoints" / "checkpoint-18" / name)
    words = rf"^the run in .*out goes on from checkpoint-15: in checkpoint-18 {name} is [a-z, ]*$"
    with pytest.warns(DamagedCheckpointWarning, match=words):
        found = resuming.last_checkpoint(out, settings.resolved(), begun, resume=True)
    assert found == out / "checkpoints" / "checkpoint-15"
    with pytest.MonkeyPatch.context() as patched:  # the second process of torchrun's says nothing
        patched.setenv("LOCAL_RANK", "1")
        patched.setenv("RANK", "1")
        assert resuming.last_checkpoint(out, settings.resolved(), begun, resume=True) == found
    with pytest.raises(OutputError, match="unfinished run; go on with --resume"):
        resuming.last_checkpoint(out, settings.resolved(), begun, resume=False)


def test_what_went_on_from_before_a_damaged_checkpoint(
    settings: RunSettings, kept: Path, tmp_path: Path
) -> None:
    """It is the run that was never stopped."""
    settings = replace(settings, method="adalora")
    train(settings, tmp_path / "whole", use_cpu=True)
    out = tmp_path / "out"
    shutil.copytree(kept, out)
    cut_short(out / "checkpoints" / "checkpoint-18" / "optimizer.pt")
    assert re.search("from checkpoint-15", went_on(settings, out))
    assert_same(tmp_path / "whole", out)


def test_no_checkpoint_is_whole(settings: RunSettings, tmp_path: Path) -> None:
    out = killed(settings, tmp_path / "out", 3)
    cut_short(out / "checkpoints" / "checkpoint-3" / "optimizer.pt")
    words = (
        r"no whole checkpoint \(in checkpoint-3 optimizer\.pt is empty, cut short or broken\); "
        r"remove .*checkpoints to begin again$"
    )
    with pytest.raises(OutputError, match=words):
        train(settings, out, use_cpu=True, resume=True)
    shutil.rmtree(out / "checkpoints")
    assert train(replace(settings, epochs=1), out, use_cpu=True, resume=True)["steps"] == 7


@pytest.mark.parametrize("ended", [False, True])
def test_the_best_checkpoint_is_damaged(settings: RunSettings, tmp_path: Path, ended: bool) -> None:
    still = replace(settings, learning_rate=1e-9, patience=2 if ended else 30)
    out = killed(still, tmp_path / "out", 9)
    cut_short(out / "checkpoints" / "checkpoint-3" / "adapter_model.safetensors")
    words = r"best checkpoint, .*checkpoint-3, is damaged: adapter_model\.safetensors .*; choose"
    with pytest.raises(OutputError, match=words):
        train(still, out, use_cpu=True, resume=True)


@pytest.mark.parametrize("step", [6, 9])
def test_patience_is_not_refreshed(settings: RunSettings, tmp_path: Path, step: int) -> None:
    """The first evaluation is the best, so the third is the last; the run may be killed after it."""
    still = replace(settings, learning_rate=1e-9, patience=2)
    whole = train(still, tmp_path / "whole", use_cpu=True)
    assert [row["step"] for row in whole["history"]] == [3, 6, 9]
    out = killed(still, tmp_path / "killed", step)
    train(still, out, use_cpu=True, resume=True)
    assert_same(tmp_path / "whole", out)


@pytest.mark.parametrize("step", [6, 9])
def test_where_it_was_to_stop_it_stops(settings: RunSettings, tmp_path: Path, step: int) -> None:
    """The first evaluation after an epoch's seven steps is the last, though the run is killed after it."""
    cut = replace(settings, stop_after=1.0)
    whole = train(cut, tmp_path / "whole", use_cpu=True)
    assert [row["step"] for row in whole["history"]] == [3, 6, 9]
    out = killed(cut, tmp_path / "killed", step)
    train(cut, out, use_cpu=True, resume=True)
    assert_same(tmp_path / "whole", out)


def test_a_folder_that_was_moved(
    settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best checkpoint is found where it is now, not kept where it was."""
    still = replace(settings, learning_rate=1e-6)
    whole = train(still, tmp_path / "whole", use_cpu=True)
    assert whole["best_step"] == 3
    killed(still, tmp_path / "killed", 12)
    (tmp_path / "elsewhere").mkdir()
    shutil.move(tmp_path / "killed", tmp_path / "elsewhere" / "moved")
    monkeypatch.chdir(tmp_path / "elsewhere")
    train(still, Path("moved"), use_cpu=True, resume=True)
    assert_same(tmp_path / "whole", Path("moved"))
    killed(still, tmp_path / "again", 12)
    shutil.rmtree(tmp_path / "again" / "checkpoints" / "checkpoint-3")
    with pytest.raises(OutputError, match=r"checkpoint-3, is gone; choose another --out"):
        train(still, tmp_path / "again", use_cpu=True, resume=True)


def test_only_with_the_same_settings_and_data(settings: RunSettings, tmp_path: Path) -> None:
    out = killed(settings, tmp_path / "out", 3)
    with pytest.raises(OutputError, match="unfinished run; go on with --resume"):
        train(settings, out, use_cpu=True)
    for changes, words in (
        ({"learning_rate": 1e-3}, "begun with learning_rate = 0.03, now it is 0.001"),
        ({"seed": 7}, "begun with seed = 0, now it is 7"),
    ):
        with pytest.raises(SettingsError, match=words):
            train(replace(settings, **changes), out, use_cpu=True, resume=True)
    copy = tmp_path / "glue"
    shutil.copytree(str(settings.data), copy)
    elsewhere = replace(settings, data=str(copy))
    rows = (copy / "RTE" / "train.tsv").read_text()
    (copy / "RTE" / "train.tsv").write_text(rows.replace("cat", "hen"))
    with pytest.raises(SettingsError, match="begun with data_sha256 = "):
        train(elsewhere, out, use_cpu=True, resume=True)
    (copy / "RTE" / "train.tsv").write_text(rows)
    begun = json.loads((out / "unfinished.json").read_text())
    (out / "unfinished.json").write_text(json.dumps(begun | {"format": 2}))
    with pytest.raises(RecordError, match="has format 2, and this lora-lens reads 1; update it"):
        train(elsewhere, out, use_cpu=True, resume=True)
    assert begun.pop("format") == 1  # what a lora-lens from before that goes on
    (out / "unfinished.json").write_text(json.dumps(begun))
    assert train(elsewhere, out, use_cpu=True, resume=True)["test_score"] >= 0


@pytest.mark.parametrize("late", ["rmtree", "end"])
def test_killed_when_its_adapter_was_whole(
    settings: RunSettings, tmp_path: Path, late: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has ended: what it left is tidied up, and its record is what is returned."""
    settings = replace(settings, epochs=1)
    whole = train(settings, tmp_path / "whole", use_cpu=True)

    removed = shutil.rmtree

    def kill(folder: Path, *given: Any, **named: Any) -> None:
        if late == "rmtree" and Path(folder).name != "checkpoints":
            return removed(folder, *given, **named)
        raise KilledError

    out = tmp_path / "killed"
    with monkeypatch.context() as patched:
        patched.setattr(shutil if late == "rmtree" else resuming, late, kill)
        with pytest.raises(KilledError):
            train(settings, out, use_cpu=True)
    assert (out / "adapter_config.json").exists()
    assert (out / "unfinished.json").exists()
    for changed, tested in ((replace(settings, seed=3), True), (settings, False)):
        with pytest.raises(OutputError, match="already holds an adapter"):
            train(changed, out, use_cpu=True, resume=tested)
    again = train(settings, out, use_cpu=True, resume=True)
    assert again["test_score"] == whole["test_score"]
    assert_same(tmp_path / "whole", out)
    assert again == train(settings, out, use_cpu=True, resume=True)


def test_checkpoints_that_were_kept_stay(settings: RunSettings, tmp_path: Path) -> None:
    settings = replace(settings, epochs=1)
    made = train(settings, tmp_path, use_cpu=True, keep_checkpoints=True)
    again = train(settings, tmp_path, use_cpu=True, resume=True)
    written = json.loads((tmp_path / "run.json").read_text())
    assert json.loads(json.dumps(made)) == again == written
    assert (tmp_path / "checkpoints" / "checkpoint-0").is_dir()


def test_a_run_without_a_test_score_is_not_one_with_it(
    settings: RunSettings, tmp_path: Path
) -> None:
    settings = replace(settings, epochs=1)
    train(settings, tmp_path, use_cpu=True, test=False)
    with pytest.raises(OutputError, match="already holds an adapter"):
        train(settings, tmp_path, use_cpu=True, resume=True)


@pytest.mark.parametrize(
    "error",
    [
        Exception("No space left on device (os error 28)"),  # the library tokenizers'
        Exception("Disk quota exceeded (os error 122)"),
        OSError(28, "No space left on device"),
        OSError("39 requested and 12 written"),  # NumPy's
        RuntimeError(
            "[enforce fail at inline_container.cc:664] . PytorchStreamWriter failed writing"
        ),
    ],
)
def test_a_full_disk(
    settings: RunSettings, tmp_path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(PreTrainedTokenizerBase, "save_pretrained", full)
        with pytest.raises(
            OutputError, match=r"cannot write to .*checkpoints: (?!None).*; make room and go"
        ):
            train(settings, tmp_path / "out", use_cpu=True)
    other = RuntimeError("another: Connection refused (os error 111)")
    with monkeypatch.context() as patched:
        patched.setattr(PreTrainedTokenizerBase, "save_pretrained", lambda *_, **__: _raise(other))
        with pytest.raises(RuntimeError, match="another"):
            train(settings, tmp_path / "other", use_cpu=True)


@pytest.mark.parametrize("said", ["No space left on device (os error 28)", "Disk quota exceeded (os error 122)"])  # fmt: skip
def test_a_disk_that_is_full_when_the_adapter_is_written(
    settings: RunSettings, tmp_path: Path, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PEFT writes it by safetensors; the run goes on from its last checkpoint."""
    settings = replace(settings, method="lora", epochs=1)
    save = peft_model.safe_save_file

    def full(tensors: Any, path: str, **more: Any) -> None:
        if "checkpoint" not in path:
            raise SafetensorError(f"Error while serializing: I/O error: {said}")
        save(tensors, path, **more)

    with monkeypatch.context() as patched:
        patched.setattr(peft_model, "safe_save_file", full)
        with pytest.raises(
            OutputError, match=f"cannot write to .*: {said.split(' (', maxsplit=1)[0]}"
        ):
            train(settings, tmp_path / "run", use_cpu=True)
    assert "test_score" in train(settings, tmp_path / "run", use_cpu=True, resume=True)


def test_a_disk_that_is_full_when_the_beginning_is_kept(
    settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    settings = replace(settings, method="lora", epochs=1)
    with monkeypatch.context() as patched:
        patched.setattr(peft_model, "safe_save_file", full)
        with pytest.raises(OutputError, match=r"cannot write to .*checkpoints: No space left"):
            train(settings, tmp_path, use_cpu=True, keep_checkpoints=True)
    train(settings, tmp_path, use_cpu=True, keep_checkpoints=True, resume=True)
    assert (tmp_path / "checkpoints" / "checkpoint-0" / "adapter_model.safetensors").is_file()


@pytest.mark.parametrize("step", ["add_event", "flush", "close"])
def test_a_disk_that_is_full_when_something_is_logged(
    settings: RunSettings, tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        error = OSError(errno.ENOSPC, "No space left on device")
        patched.setattr(FileWriter, step, lambda *_, **__: _raise(error))
        with pytest.raises(OutputError, match=r"cannot write to .*tensorboard: No space left"):
            train(settings, tmp_path, use_cpu=True)
    assert "test_score" in train(settings, tmp_path, use_cpu=True, resume=True)


def _raise(error: Exception) -> None:
    raise error
