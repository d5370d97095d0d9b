"""What the notebook for Colab asks pip for, where lora-lens is not there."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "colab.ipynb"


def asked(source: str, monkeypatch: pytest.MonkeyPatch, code: int = 0) -> Requirement:
    """The one thing that the first cell has pip install."""
    cells = [
        cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"
    ]
    text = "".join(cells[0]["source"])
    assert text.count('\nsource = ""') == 1
    calls: list[list[str]] = []

    def run(command: list[str], **_: Any) -> Any:
        calls.append(command)
        return subprocess.CompletedProcess(command, code, "", "ERROR: no such thing")

    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(subprocess, "run", run)
    exec(text.replace('\nsource = ""', f"\nsource = {source!r}"), {})
    (command,) = calls
    assert command[:4] == [sys.executable, "-m", "pip", "install"]
    found = Requirement(command[-1])
    assert (found.name, found.extras) == ("lora-lens", {"demo", "report"})
    return found


def test_the_release_where_nothing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert asked("", monkeypatch).url is None


@pytest.mark.parametrize(
    "source", ["git+https://example.org/a/lora-lens", "https://example.org/lora_lens-1-py3.whl"]
)
def test_an_address(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lora_lens-0.1.0-py3-none-any.whl").touch()
    assert asked(source, monkeypatch).url == source


def test_what_lies_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    clone = tmp_path / "lora-lens"
    (clone / "lora_lens").mkdir(parents=True)
    assert asked("", monkeypatch).url == clone.as_uri()
    (tmp_path / "lora_lens-0.2.0-py3-none-any.whl").touch()
    newest = tmp_path / "lora_lens-0.3.0-py3-none-any.whl"
    newest.touch()
    assert asked("", monkeypatch).url == newest.as_uri()
    assert asked("lora-lens", monkeypatch).url == clone.as_uri()


def test_what_pip_said_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RuntimeError, match=r"(?s)no such thing.*name another source"):
        asked("", monkeypatch, code=1)
