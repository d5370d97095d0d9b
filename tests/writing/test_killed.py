"""`resize` and `export` ended before any step in the file system: a rerun gives the whole result, and so does a reader or the state before."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import ended_early
import pytest
from checkpoints import BertLike, random, write_base, write_config, write_lora, write_tensors
from commands import run
from forking import forking

import lora_lens as ll
from lora_lens.errors import LensError
from lora_lens.staging import PREFIX

MOVED = "result is written to"


def write_all(root: Path) -> None:
    shape = BertLike()
    base = str(write_base(root / "base", shape))
    write_lora(root / "resize", shape, base=base)
    theta = {f"query.theta_{factor}": random(24, 4, seed=k) for k, factor in enumerate("AB")}
    write_tensors(root / "export", theta)
    write_config(
        root / "export", base=base, r=4, peft_type="CONDLORA", convention="consistent",
        condlora_modules={"query": [shape.path(layer, "query") for layer in range(shape.layers)]},
    )  # fmt: skip


def words(command: str, root: Path, out: Path) -> list[str]:
    more = ["--rank", "2"] if command == "resize" else []
    return [command, str(root / command), *more, "--out", str(out)]


def ended(at: int, by: signal.Signals, root: Path, arguments: list[str]) -> tuple[int, str]:
    """How it ended, and what it said on standard error."""
    process = forking(
        "torch", "lora_lens.cli", "lora_lens.writing.resizing", "lora_lens.writing.export"
    ).Process(target=ended_early.before_change, args=(at, by, root, arguments))
    process.start()
    process.join()
    return process.exitcode or 0, (root / "said-2").read_text()


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def is_whole(path: Path) -> bool:
    """Whether there is an adapter for a reader, as `inspect` reads it."""
    try:
        ll.load_adapter(path)
    except LensError:
        return False
    return True


def is_clean(out: Path) -> bool:
    return not list(out.glob(f"{PREFIX}*"))


@pytest.mark.parametrize(
    ("command", "empty"), [("resize", False), ("resize", True), ("export", False)]
)
def test_a_rerun_after_a_kill_at_any_step_gives_the_whole(
    command: str, empty: bool, tmp_path: Path
) -> None:
    """And `inspect` before it, by the folder or by a file in it, finds the whole or no adapter; never half of one."""
    write_all(tmp_path)
    assert run(*words(command, tmp_path, tmp_path / "expected")).exit_code == 0
    expected = files(tmp_path / "expected")
    seen = set()
    for at in range(1, 200):
        out = tmp_path / str(at)
        if empty:
            out.mkdir()
        code, _ = ended(at, signal.SIGKILL, tmp_path, words(command, tmp_path, out))
        if code == 0:  # there are no more steps
            break
        assert code == -signal.SIGKILL
        copies = [tmp_path / f"{at}-{k}" for k in range(2)]
        for copy, name in zip(copies, ("", "adapter_model.safetensors"), strict=True):
            if out.exists():
                shutil.copytree(out, copy)
            whole = is_whole(copy / name)
            assert not whole or files(copy) == expected, at
            assert whole or not copy.exists() or not files(copy), at
            seen.add(whole)
        again = run(*words(command, tmp_path, out))
        assert again.exit_code == 0 or "already holds an adapter" in again.stderr, again.output
        assert files(out) == expected, at
        assert is_clean(out), at
    assert at > 15
    assert seen == {False, True}


@pytest.mark.parametrize("command", ["resize", "export"])
def test_sigterm_at_any_step_says_whether_the_result_is_written(
    command: str, tmp_path: Path
) -> None:
    write_all(tmp_path)
    seen = set()
    for at in range(1, 200):
        out = tmp_path / str(at)
        code, said = ended(at, signal.SIGTERM, tmp_path, words(command, tmp_path, out))
        if code in (0, -signal.SIGTERM):  # all is said and done
            break
        assert code == 143, said
        assert MOVED in said or "nothing is half-written" in said
        assert (MOVED in said) == out.exists(), (at, said)
        if MOVED in said:
            assert said.splitlines()[-1] == f"lora-lens: ended; the result is written to {out}"
            ll.load_adapter(out)
            assert is_clean(out)
        seen.add(MOVED in said)
    assert seen == {False, True}


@pytest.mark.parametrize("command", ["resize", "export", "spectrum", "report"])
@pytest.mark.parametrize(
    ("where", "word"), [(ended_early.full, "No space left"), (ended_early.closed, "nobody reads")]
)
def test_where_nobody_gets_what_is_printed_the_result_is_said_to_be_written(
    command: str, where: Callable[[Path, list[str]], None], word: str, tmp_path: Path
) -> None:
    write_all(tmp_path)
    asked = {
        "spectrum": ["spectrum", "resize", "-m", "value"],
        "report": ["report", "resize", "-m", "value", "--draws", "2"],
    }.get(command, words(command, tmp_path, tmp_path)[:-2])
    out = tmp_path / ("out.html" if command == "report" else "out")
    os.chdir(tmp_path)
    process = forking("torch", "lora_lens.cli").Process(
        target=where, args=(tmp_path, [*asked, "--json", "--out", str(out)])
    )
    process.start()
    process.join()
    said = (tmp_path / "said-2").read_text()
    assert process.exitcode == 1, said
    assert word in said
    assert f"the result is written to {out}" in said
    assert out.exists()


def test_what_a_reader_cannot_end_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lora(tmp_path / "lora", BertLike())
    begun = tmp_path / "lora" / f"{PREFIX}x"
    (begun / "new").mkdir(parents=True)
    (begun / "moving").touch()
    (tmp_path / "lora" / "adapter_config.json").rename(begun / "new" / "adapter_config.json")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", refuse)
        done = run("inspect", tmp_path / "lora")
    assert done.exit_code == 1
    assert "killed while it moved them" in done.stderr
    assert run("inspect", tmp_path / "lora").exit_code == 0
    assert not begun.exists()


@pytest.mark.parametrize("name", ["new", "gone"])
def test_a_strangers_link_moves_and_removes_nothing(name: str, tmp_path: Path) -> None:
    """A folder that came from somewhere may have what looks like a move that was begun."""
    lora = write_lora(tmp_path / "lora", BertLike())
    mine = tmp_path / "mine"
    mine.mkdir()
    for file in ("secret", "adapter_config.json"):
        (mine / file).write_text("kept")
    begun = lora / f"{PREFIX}x"
    begun.mkdir()
    (begun / "moving").touch()
    (begun / "new").mkdir() if name == "gone" else None
    (begun / name).symlink_to(mine)
    before = files(lora), files(mine)
    assert run("inspect", lora).exit_code == 0
    ll.spectrum(ll.load_adapter(lora), beside_w0=False).save(lora)
    assert files(mine) == before[1]
    assert before[0].items() <= files(lora).items()
    assert not (lora / "secret").exists()
