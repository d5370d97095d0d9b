"""No command writes over, or into, what it reads: every one that has an output, by every spelling of what that is."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import typer
from checkpoints import BertLike, random, write_base, write_config, write_lora, write_tensors
from commands import run
from every_question import BY_NAME
from typer.testing import Result

import lora_lens as ll
from lora_lens.cli import app
from lora_lens.errors import RefusedOutputError
from lora_lens.ledger import one_command, reads, wrote
from lora_lens.staging import staged, staged_file

COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
WITH_OUTPUT = sorted(
    name
    for name, command in COMMANDS.items()
    if any({"--out", "-o"} & set(getattr(one, "opts", ())) for one in command.params)
)
# Options that name where a command writes; what is written elsewhere is none of a folder's that somebody gave.
OUTPUTS = {"--out", "-o"}
# These need a base that transformers loads, and have a test of their own in training/test_base_stays.py.
TRAINING = {"train", "search", "reproduce"}


def write_all(root: Path) -> None:
    shape = BertLike()
    base = str(write_base(root / "base", shape))
    for seed, name in enumerate(("one", "other", "run/checkpoint-1", "run/checkpoint-2")):
        write_lora(root / name, shape, base=base, seed=seed)
    theta = {f"query.theta_{factor}": random(24, 4, seed=k) for k, factor in enumerate("AB")}
    write_tensors(root / "cond", theta)
    layers = [shape.path(layer, "query") for layer in range(shape.layers)]
    write_config(
        root / "cond", base=base, r=4, peft_type="CONDLORA", convention="consistent", condlora_modules={"query": layers},
    )  # fmt: skip


def arguments(name: str, root: Path) -> tuple[list[object], list[Path]]:
    """What the command is given, and the folders that it reads by that."""
    one, other, base, cond = (root / folder for folder in ("one", "other", "base", "cond"))
    words: dict[str, list[object]] = {
        "compare": [one, other, "--rank", 2], "grid": [one, other], "matrix": [one, other],
        "report": [one, "--base", base, "-m", "value", "--draws", 2], "export": [cond], "resize": [one, "--rank", 2],
        "survey": [one, other, "--questions", "spectrum"], "demo": ["--base", base],
        "dynamics": [root / "run"],
    }  # fmt: skip
    folders = {
        "export": [cond, base], "dynamics": [root / "run" / "checkpoint-1"], "demo": [base],
        "compare": [one, other], "grid": [one, other], "matrix": [one, other], "survey": [one, other],
        "report": [one, base],
    }  # fmt: skip
    return words.get(name, [one]), folders.get(name, [one])


def state(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def is_refused(result: Result) -> None:
    """Exit 2, and one line that says why and what to do."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert re.fullmatch(
        r"lora-lens: .* (read, and would be written (over|into)|does not end in \.html).*\n",
        result.stderr,
    )


def test_outputs_are_known_by_their_options() -> None:
    """An option of another name that takes a file or a folder to write would not be tested here."""
    read = {"--style", "--data", "--storage"}
    for name, command in COMMANDS.items():
        for one in command.params:
            takes = getattr(one, "metavar", None) or ""
            if one.param_type_name == "option" and re.search("DIR|FILE|URL", takes):
                assert set(one.opts) & (OUTPUTS | read), (name, one.opts)
    assert set(WITH_OUTPUT) >= {question.command for question in BY_NAME.values()}


@pytest.mark.parametrize("name", [name for name in WITH_OUTPUT if name not in TRAINING])
def test_no_command_writes_into_what_it_reads(name: str, tmp_path: Path) -> None:
    """The folder itself, one below it, and a link to it."""
    write_all(tmp_path)
    words, folders = arguments(name, tmp_path)
    before = state(tmp_path)
    file = "report.html" if name == "report" else ""
    (tmp_path / "link").symlink_to(folders[0])
    spelled = [
        *folders,
        folders[0] / "below",
        folders[0].parent / "." / folders[0].name / "..",
        tmp_path / "link",
    ]
    spelled[-2] = spelled[-2] / folders[0].name
    for out in spelled:
        is_refused(run(name, *words, "--out", out / file))
        assert not (folders[0] / "below").exists()
    (tmp_path / "link").unlink()
    assert state(tmp_path) == before


def test_a_report_is_written_over_nothing_that_is_read(tmp_path: Path) -> None:
    """By the file's own name, and, where a link of a report's name leads to it, by that."""
    write_all(tmp_path)
    before = state(tmp_path)
    weights = [
        tmp_path / "one" / "adapter_model.safetensors",
        tmp_path / "base" / "model.safetensors",
    ]
    given = ("report", tmp_path / "one", "--base", tmp_path / "base", "-m", "value", "--draws", 2)
    for file in (*weights, tmp_path / "one" / "adapter_config.json", tmp_path / "report"):
        is_refused(run(*given, "-o", file))
    for file in weights:
        for link in (os.symlink, os.link):
            page = tmp_path / "page.html"
            link(file, page)
            is_refused(run(*given, "-o", page))
            assert page.samefile(file)
            page.unlink()
    assert state(tmp_path) == before


def test_beside_what_is_read_all_can_be_written(tmp_path: Path) -> None:
    """In a folder of adapters; beside a file that was named itself; over what an earlier command wrote."""
    write_all(tmp_path)
    for _ in range(2):
        given = (
            ("spectrum", tmp_path / "one", "--no-base") if False else ("spectrum", tmp_path / "one")
        )
        assert run(*given, "--out", tmp_path).exit_code == 0
    file = tmp_path / "alone" / "lora.safetensors"
    ll.resize(tmp_path / "one", tmp_path / "small", rank=2)
    file.parent.mkdir()
    (tmp_path / "small" / "adapter_model.safetensors").rename(file)
    page = file.with_name("report.html")
    done = run("report", file, "-o", page, "-m", "value", "--draws", 2)
    assert "would be written" not in done.stderr


def test_functions_that_read_and_write_keep_what_they_read(tmp_path: Path) -> None:
    """In Python, too; and what was read in an earlier call is free."""
    write_all(tmp_path)
    before = state(tmp_path)
    one = tmp_path / "one"
    calls: list[Callable[[], object]] = [
        lambda: ll.resize(one, one / "small", rank=2),
        lambda: ll.resize(ll.load_adapter(one), one / "small", rank=2),
        lambda: ll.export_lora(tmp_path / "cond", tmp_path / "cond" / "plain"),
        lambda: ll.report(one, out=one / "r.html", module="value", draws=2),
        lambda: ll.survey([one, tmp_path / "other"], one / "survey", questions=["spectrum"]),
    ]
    for call in calls:
        with pytest.raises(RefusedOutputError, match="would be written into"):
            call()
        assert state(tmp_path) == before
    ll.load_adapter(one)
    assert ll.spectrum(ll.load_adapter(one), beside_w0=False).save(one)


def test_whichever_comes_second_is_refused(tmp_path: Path) -> None:
    """A reader that goes on all the same finds nothing moved."""
    read = tmp_path / "read.html"
    read.write_text("kept")
    link = tmp_path / "link.html"
    link.symlink_to(read)
    other = tmp_path / "other"
    other.mkdir()

    def read_late() -> None:
        with staged_file(link) as file:
            file.write_text("new")
            reads(read)

    def read_unheard() -> None:
        with staged(tmp_path) as folder:
            (folder / "more.html").write_text("new")
            with suppress(RefusedOutputError):
                reads(tmp_path)

    def read_before() -> None:
        with staged(other) as folder:
            (folder / "a").write_text("new")
            (other / "a").hardlink_to(read)

    for late, early in ((read_late, ()), (read_before, (read,)), (read_unheard, ())):
        with one_command():
            reads(*early)
            with pytest.raises(RefusedOutputError, match="would be written"):
                late()
    (other / "a").unlink()
    other.rmdir()
    link.unlink()
    assert read.read_text() == "kept"
    assert [path.name for path in tmp_path.iterdir()] == ["read.html"]
    with one_command(), staged_file(read) as file:
        file.write_text("new")
    assert read.read_text() == "new"


def test_what_a_command_wrote_itself_it_may_write_again(tmp_path: Path) -> None:
    with one_command():
        for content in ("old", "new"):
            with staged(tmp_path / "run") as folder:
                (folder / "a").write_text(content)
            reads(tmp_path / "run", tmp_path / "run" / "a")
        wrote(tmp_path / "none")
    assert (tmp_path / "run" / "a").read_text() == "new"
