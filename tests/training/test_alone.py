"""A run's folder is one run's at a time, whoever comes and however the first one ends."""

import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from glue_folder import write_rte
from tiny_base import write_tiny_base
from transformers import TrainerCallback

from lora_lens.errors import BaseModelError, OutputError
from lora_lens.locked import held
from lora_lens.staging import PREFIX, staged
from lora_lens.training import resuming
from lora_lens.training.alone import alone
from lora_lens.training.run import train
from lora_lens.training.settings import RunSettings

REFUSED = r"^another process is training in .*out; wait for it or choose another --out$"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> RunSettings:
    folder = tmp_path_factory.mktemp("tiny")
    return RunSettings(
        task="rte", method="lora", base=write_tiny_base(folder / "base"),
        data=str(write_rte(folder / "glue")), epochs=2, batch_size=8, max_length=32,
    )  # fmt: skip


class BeginAnother(TrainerCallback):
    """Another run in the same folder, begun at the first save of this one."""

    def __init__(self, settings: RunSettings, out: Path) -> None:
        self.settings, self.out, self.refused = settings, out, 0

    def on_save(self, *_: Any, **__: Any) -> None:
        for resume in (True, False):
            with pytest.raises(OutputError, match=REFUSED):
                train(self.settings, self.out, use_cpu=True, resume=resume)
            self.refused += 1


def test_a_second_run_is_refused(settings: RunSettings, tmp_path: Path) -> None:
    out = tmp_path / "out"
    another = BeginAnother(settings, out)
    train(settings, out, use_cpu=True, callbacks=(another,))
    assert another.refused == 4
    assert {path.name for path in out.iterdir()} == {
        "adapter_config.json", "adapter_model.safetensors", "run.json", "tensorboard",
    }  # fmt: skip
    train(settings, tmp_path / "whole", use_cpu=True)
    weights = [(tmp_path / one / "adapter_model.safetensors").read_bytes() for one in ("out", "whole")]  # fmt: skip
    assert weights[0] == weights[1]
    assert train(settings, out, use_cpu=True, resume=True)["steps"] > 0  # its record


def test_what_a_run_leaves_is_not_tidied_up_while_it_goes(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with alone(out):
        (out / "unfinished.json").write_text("{}")
        (out / "checkpoints").mkdir()
        with pytest.raises(OutputError, match=REFUSED):
            resuming.tidy(out, keep=False)
        assert (out / "checkpoints").is_dir()
    resuming.tidy(out, keep=False)
    assert list(out.iterdir()) == []


SCRIPT = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    from lora_lens.training.alone import alone
    with alone(Path(sys.argv[1])):
        print("in", flush=True)
        time.sleep(60)
""")


def test_a_killed_one_holds_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(out)], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in\n"
        with pytest.raises(OutputError, match=REFUSED), alone(out):
            pytest.fail("the block was entered")
        with staged(out) as folder:  # what is written does not end it
            (folder / "file").write_text("")
        with pytest.raises(OutputError, match=REFUSED), alone(out):
            pytest.fail("the block was entered")
        process.send_signal(signal.SIGKILL)
    assert len(list(out.glob(f"{PREFIX}*"))) == 1
    with alone(out):
        pass
    assert [path.name for path in out.iterdir()] == ["file"]


def test_the_other_processes_of_a_run_are_let_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with alone(tmp_path / "out"):
        monkeypatch.setenv("LOCAL_RANK", "1")
        monkeypatch.setenv("RANK", "1")
        with alone(tmp_path / "out"):
            pass
        monkeypatch.delenv("RANK")
    assert not (tmp_path / "out").exists()


def test_where_a_run_fails_at_once_no_folder_is_left(settings: RunSettings, tmp_path: Path) -> None:
    with pytest.raises(BaseModelError):
        train(replace(settings, base=str(tmp_path / "none")), tmp_path / "a" / "b", use_cpu=True)
    assert not (tmp_path / "a").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write to .*choose another --out"):
        train(settings, tmp_path / "file" / "out", use_cpu=True)


def test_who_holds_a_folder_knows_whether(tmp_path: Path) -> None:
    with held(tmp_path) as first, held(tmp_path) as second, held(tmp_path / "none") as unknown:
        assert (first, second, unknown) == (True, False, True)
