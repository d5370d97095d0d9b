"""What moves on a terminal while a long part goes on; and that nothing of it is anywhere else."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import rich.progress
from checkpoints import BertLike
from every_question import write_adapters
from typer.testing import CliRunner

import lora_lens as ll
from lora_lens.cli import app
from lora_lens.subspaces import chunks, layers

LORA, OTHER = "one", "other"  # in the folder that each test is in
SMALL = ("-m", "value", "--draws", "20")
COMMANDS = {
    "similarity": ("similarity", LORA, *SMALL),
    "shared": ("shared", LORA, *SMALL),
    "carried": ("shared", LORA, OTHER, *SMALL),
    "outliers": ("outliers", LORA, *SMALL),
    "compare": ("compare", LORA, OTHER, *SMALL),
}
HIDDEN, SHOWN = "\x1b[?25l", "\x1b[?25h"  # the cursor


class Terminal(io.StringIO):
    """Standard error with a person before it."""

    def isatty(self) -> bool:
        return True

    @property
    def frames(self) -> list[str]:
        return re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.getvalue()))


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_adapters(tmp_path_factory.mktemp("adapters"), BertLike(layers=8, width=48))


@pytest.fixture(autouse=True)
def in_their_folder(adapters: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(adapters)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Of 80 columns; every step is drawn, and not ten a second."""
    for name, value in (("TERM", "xterm"), ("COLUMNS", "80")):
        monkeypatch.setenv(name, value)
    update = rich.progress.Progress.update

    def drawn(bar: rich.progress.Progress, *args: Any, **options: Any) -> None:
        update(bar, *args, **options)
        bar.refresh()

    monkeypatch.setattr(rich.progress.Progress, "update", drawn)
    return Terminal()


def shares(frames: list[str]) -> list[float]:
    """As percentages, or as so many of so many."""
    found = []
    for frame in frames:
        if of_all := re.search(r"(\d+)% ", frame):
            found.append(int(of_all[1]) / 100)
        elif of_parts := re.search(r"━ +(\d+)/(\d+) ", frame):
            found.append(int(of_parts[1]) / int(of_parts[2]))
    return found


def run(arguments: tuple[str, ...], terminal: Terminal, out: io.StringIO) -> int:
    with redirect_stderr(terminal), redirect_stdout(out):
        return int(app(list(arguments), standalone_mode=False) or 0)


@pytest.mark.parametrize("name", COMMANDS)
def test_it_moves_on_a_terminal_and_stops_at_all(name: str, terminal: Terminal) -> None:
    assert run(COMMANDS[name], terminal, out := io.StringIO()) == 0
    seen = shares(terminal.frames)
    assert len(set(seen)) >= 6
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert max(len(frame) for frame in terminal.frames) <= 80
    assert terminal.getvalue().endswith("\x1b[2K")  # the bar is gone
    # What is printed is what is printed without a person.
    piped = CliRunner().invoke(app, COMMANDS[name], env={"COLUMNS": "80"})
    assert out.getvalue().encode() == piped.stdout_bytes
    assert piped.stderr == ""


@pytest.mark.parametrize("option", ["--json", "--quiet"])
@pytest.mark.parametrize("name", ["similarity", "compare"])
def test_nothing_moves_where_a_program_reads_or_none_wants_it(
    name: str, option: str, terminal: Terminal
) -> None:
    assert run((*COMMANDS[name], option), terminal, out := io.StringIO()) == 0
    assert HIDDEN not in terminal.getvalue()
    assert not shares(terminal.frames)
    assert out.getvalue()


def test_json_on_a_terminal_has_a_bar_before_it(terminal: Terminal) -> None:
    assert run((*COMMANDS["similarity"], "--json"), terminal, out := Terminal()) == 0
    assert len(set(shares(terminal.frames))) > 6
    assert out.getvalue().startswith("{")


def test_a_report_moves_within_its_parts_and_says_that_it_writes(
    terminal: Terminal, tmp_path: Path
) -> None:
    out = tmp_path / "r.html"
    assert run(("report", LORA, OTHER, *SMALL, "-o", str(out)), terminal, io.StringIO()) == 0
    told = [frame for frame in terminal.frames if frame.startswith("parts ")]
    parts = [re.search(r"(\d+)/8, (.+)", frame) for frame in told]
    done = [int(one[1]) for one in parts if one]
    assert done == sorted(done)
    assert {*done} == {*range(9)}
    bars = {frame.split()[1] for frame, k in zip(told, done, strict=False) if k == 1}
    assert len(bars) > 2  # within one of them
    said = [one[2].strip() for one in parts if one]
    assert said[-1] == "writing"
    assert all(one.endswith("left") == (k < 8) for one, k in zip(said, done, strict=False))
    assert [frame for frame in told if len(frame) > 80] == []


def test_a_report_for_a_program_has_no_bar(terminal: Terminal, tmp_path: Path) -> None:
    out = tmp_path / "r.html"
    assert run(("report", LORA, *SMALL, "-o", str(out), "--json"), terminal, io.StringIO()) == 0
    before, *_, last, end = terminal.getvalue().split("\n")
    assert re.fullmatch(r"3 parts, .*", before)
    assert (last, end) == (f"wrote {out}", "")
    assert HIDDEN not in terminal.getvalue()


@pytest.mark.parametrize("name", ["similarity", "report"])
def test_an_interrupt_leaves_nothing_broken(
    name: str, terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert = layers.conversion_bases
    monkeypatch.setattr(chunks, "_CHUNK_BYTES", 1)
    calls: list[object] = []

    def interrupted(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return convert(*arguments)

    monkeypatch.setattr(layers, "conversion_bases", interrupted)
    out = tmp_path / ("out.html" if name == "report" else "out")
    out.write_text("as it was") if name == "report" else None
    assert run((name, LORA, *SMALL, "--out", str(out)), terminal, io.StringIO()) == 130
    drawn = terminal.getvalue()
    assert drawn.count(HIDDEN) == drawn.count(SHOWN) == 1
    assert drawn.endswith("\x1b[2Klora-lens: interrupted; nothing is half-written\n")
    assert [one.name for one in tmp_path.iterdir()] == (["out.html"] if name == "report" else [])
    assert name != "report" or out.read_text() == "as it was"


@pytest.mark.parametrize(
    "ask",
    [
        lambda **given: ll.conversion_similarity(LORA, "value", **given),
        lambda **given: ll.conversion_similarity(
            LORA, "value", nulls=("mismatched", "initialisation", "propagated"), rank=4, **given
        ),
        lambda **given: ll.shared_subspace(LORA, "value", **given),
        lambda **given: ll.shared_subspace(LORA, "value", matrices=["B"], **given),
        lambda **given: ll.shared_subspace(LORA, "value", other=OTHER, **given),
        lambda **given: ll.outliers(LORA, "value", **given),
        lambda **given: ll.compare(LORA, OTHER, "value", **given),
    ],
)
@pytest.mark.parametrize("draws", [2, 20])
def test_python_is_told_more_each_time_up_to_all(ask: Callable[..., Any], draws: int) -> None:
    told: list[tuple[int, int]] = []
    ask(draws=draws, progress=lambda *at: told.append(at))
    (total,) = {of for _, of in told}
    done = [one for one, _ in told]
    assert done == sorted({*done})
    assert 0 < done[0] < done[-1] == total
    assert len(done) >= 6
