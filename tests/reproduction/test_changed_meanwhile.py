"""Checksums of a record are of the adapters, and of the W0, that its numbers are of."""

from __future__ import annotations

import json
import multiprocessing
import signal
from pathlib import Path
from typing import Any

import pytest
from checkpoints import BertLike, write_base, write_lora
from killed_analysis import killed_before_the_checksums
from safetensors.torch import load_file, save_file

from lora_lens.errors import AdapterError
from lora_lens.reproduction.experiment.config import Analysis
from lora_lens.reproduction.runs import analysis, base_weights
from lora_lens.reproduction.runs.done import is_there
from lora_lens.reproduction.runs.steps import Step

WANTED = Analysis(modules=("value",), draws=2, shared_draws=2)


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, dict[str, Path]]:
    """A base, and an adapter of it."""
    shape = BertLike(modules=("value",))
    base = write_base(tmp_path / "base", shape)
    return base, {"lora": write_lora(tmp_path / "lora", shape, base=str(base))}


def replace_base(base: Path) -> None:
    """By one of other weights."""
    weights = base / "model.safetensors"
    save_file({name: 2 * w0 for name, w0 in load_file(weights).items()}, base / "other")
    (base / "other").replace(weights)


def test_an_adapter_that_is_replaced_while_it_is_analysed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = BertLike(modules=("value",))
    base = str(write_base(tmp_path / "base", shape))
    folders = {"lora": write_lora(tmp_path / "lora", shape, base=base)}
    other = write_lora(tmp_path / "other", shape, base=base, seed=8)

    def replacing(*_: object) -> dict[str, Any]:
        (other / "adapter_model.safetensors").replace(folders["lora"] / "adapter_model.safetensors")
        return {}

    monkeypatch.setattr(analysis, "shared", replacing)
    with pytest.raises(AdapterError, match=r"adapter_model\.safetensors was changed while"):
        analysis.analyse(folders, base, Analysis(modules=("value",), draws=2), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_base_that_is_replaced_while_it_is_analysed_is_refused(
    tmp_path: Path, made: tuple[Path, dict[str, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    base, folders = made

    def replacing(*_: object) -> dict[str, Any]:
        replace_base(base)
        return {}

    monkeypatch.setattr(analysis, "shared", replacing)
    with pytest.raises(AdapterError, match=r"base was changed while"):
        analysis.analyse(folders, str(base), WANTED, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_record_is_of_the_w0_that_it_was_made_with(
    tmp_path: Path, made: tuple[Path, dict[str, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    base, folders = made
    out = tmp_path / "out"
    analysis.analyse(folders, str(base), WANTED, out)
    monkeypatch.setattr(base_weights, "sha256", lambda _: pytest.fail("hashed twice"))
    assert analysis.why_anew(out, folders, str(base)) is None
    monkeypatch.undo()
    replace_base(base)
    assert analysis.why_anew(out, folders, str(base)) == f"{base} has other files of weights now"
    assert analysis.why_anew(out, folders, None) is None
    sums = out / analysis.ADAPTERS_NAME
    told = json.loads(sums.read_text())
    sums.write_text(json.dumps({"lora": told["lora"]}))  # as earlier versions have it
    assert analysis.why_anew(out, folders, str(base)) is None
    sums.write_text(json.dumps(told))
    (base / "model.safetensors").unlink()
    assert analysis.why_anew(out, folders, str(base)) is None
    (folders["lora"] / "adapter_model.safetensors").write_bytes(b"other")
    assert analysis.why_anew(out, folders, None) == f"{folders['lora']} has other weights now"


def test_a_record_whose_checksums_a_killed_process_was_moving_gets_them(
    tmp_path: Path, made: tuple[Path, dict[str, Path]]
) -> None:
    """It counted as done without them, whatever it was of, since nobody wrote to its folder any more."""
    base, folders = made
    out = tmp_path / "out"
    one = multiprocessing.get_context("spawn").Process(
        target=killed_before_the_checksums, args=(folders, str(base), WANTED, out)
    )
    one.start()
    one.join()
    assert one.exitcode == -signal.SIGKILL
    assert (out / analysis.RECORD_NAME).exists()
    assert not (out / analysis.ADAPTERS_NAME).exists()
    assert is_there(Step("analysis", "rte", None, 0, out))
    assert {path.name for path in out.iterdir()} == {analysis.RECORD_NAME, analysis.ADAPTERS_NAME}
    replace_base(base)
    assert analysis.why_anew(out, folders, str(base)) == f"{base} has other files of weights now"
