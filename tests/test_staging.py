"""Outputs are whole whatever happens: errors, full disks, Ctrl-C, SIGTERM, kill -9, two at once, devices."""

import errno
import multiprocessing
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from checkpoints import BertLike, write_lora
from typer.testing import CliRunner

from lora_lens.cli import app
from lora_lens.errors import OutputError
from lora_lens.locked import alone_in, is_left
from lora_lens.staging import ENDING, PREFIX, end_begun, remove_too, staged, staged_file

NAMES = ("a", "b", "c", "d")


def write(out: Path, content: str) -> None:
    with staged(out, last="a") as folder:
        for name in NAMES:
            (folder / name).write_text(content)


def write_fewer(out: Path, content: str) -> None:
    """`a` and `b` anew; `c` and `d` are to be no more."""
    with staged(out, last="a") as folder:
        for name in NAMES[:2]:
            (folder / name).write_text(content)
        remove_too(folder, NAMES)


def read(out: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in out.iterdir() if path.is_file()}


def hidden(out: Path) -> list[Path]:
    return list(out.glob(f"{PREFIX}*"))


def failing(at: int, error: Callable[[], Any], step: str = "replace") -> Callable[..., Any]:
    """`Path.replace`, or another step, that fails at the so many-th file."""
    count, original = [0], getattr(Path, step)

    def replace(self: Path, *given: Any, **named: Any) -> Any:
        count[0] += 1
        if count[0] == at:
            error()
        return original(self, *given, **named)

    return replace


def raising(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


@pytest.mark.parametrize("at", [1, 2, 4])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), RuntimeError()])  # fmt: skip
@pytest.mark.parametrize("links", [True, False])
def test_where_moving_fails_all_old_files_are_left(
    at: int, error: BaseException, links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "old")
    (tmp_path / "c").unlink()
    (tmp_path / "other").write_text("mine")
    before = read(tmp_path)
    monkeypatch.setattr(Path, "replace", failing(at, raising(error)))
    if not links:
        monkeypatch.setattr(os, "link", lambda *_, **__: raising(PermissionError("no links"))())
    with pytest.raises((OutputError, KeyboardInterrupt, RuntimeError)):
        write(tmp_path, "new")
    assert read(tmp_path) == before
    assert not hidden(tmp_path)


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_in_the_midst_waits_for_the_end(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ended(BaseException):
        pass

    write(tmp_path, "old")
    before = signal.signal(number, lambda *_: raising(Ended())())
    monkeypatch.setattr(Path, "replace", failing(2, lambda: os.kill(os.getpid(), number)))
    try:
        with pytest.raises(Ended):
            write(tmp_path, "new")
    finally:
        signal.signal(number, before)
    assert read(tmp_path) == dict.fromkeys(NAMES, "new")
    assert not hidden(tmp_path)


def fail(out: Path, content: str) -> None:
    with suppress(RuntimeError), staged(out) as folder:
        (folder / "a").write_text(content)
        raise RuntimeError


@pytest.mark.parametrize("do", [write, write_fewer, fail])
def test_a_signal_at_any_line_leaves_all_old_files_or_all_new_ones(
    do: Callable[[Path, str], None], tmp_path: Path
) -> None:
    """Whether the block was being entered, left, or neither; and nothing that is hidden."""

    class Ended(BaseException):
        pass

    ours = tuple(import_module(f"lora_lens.{name}").__file__ for name in ("staging", "locked"))
    left = [0]

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code.co_filename not in ours:
            return None
        if event == "line":
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGTERM)
        return trace

    before, traced = signal.signal(signal.SIGTERM, lambda *_: raising(Ended())()), sys.gettrace()
    at = 0
    seen: set[str] = set()
    try:
        while left[0] <= 0:  # until a write has fewer lines
            at += 1
            out = tmp_path / str(at) / "out"
            if at % 2:
                write(out, "old")
            left[0] = at
            sys.settrace(trace)
            with suppress(Ended):
                do(out, "new")
            sys.settrace(traced)
            got = read(out) if out.exists() else {}
            names = NAMES[:2] if do is write_fewer else NAMES
            assert got in [{}, dict.fromkeys(NAMES, "old"), dict.fromkeys(names, "new")]
            assert not hidden(out)
            seen |= set(got.values()) or {""}
    finally:
        sys.settrace(traced)
        signal.signal(signal.SIGTERM, before)
    assert at > 50
    assert seen == {"", "old", "new"} - ({"new"} if do is fail else set())


def _ended(
    out: Path, at: int, by: signal.Signals, do: Callable[[Path, str], None], step: str
) -> None:
    def end() -> None:
        os.kill(os.getpid(), by)

    if at:
        setattr(Path, step, failing(at, end, step))
        do(out, "new")
    else:
        with staged(out) as folder:
            (folder / "a").write_text("new")
            end()


def killed(
    out: Path,
    at: int,
    by: signal.Signals = signal.SIGKILL,
    do: Callable[[Path, str], None] = write,
    step: str = "replace",
) -> None:
    """A process that is ended at the so many-th file, or before any is moved."""
    one = multiprocessing.get_context("fork").Process(target=_ended, args=(out, at, by, do, step))
    one.start()
    one.join()
    assert one.exitcode == -by


def test_who_writes_next_ends_what_a_killed_process_began(tmp_path: Path) -> None:
    write(tmp_path, "old")
    killed(tmp_path, 3)
    assert len(hidden(tmp_path)) == 1
    assert is_left(hidden(tmp_path)[0])
    with staged(tmp_path) as folder:
        assert read(tmp_path) == dict.fromkeys(NAMES, "new")
        assert hidden(tmp_path) == [folder.parent]
    assert not hidden(tmp_path)


def test_who_only_reads_may_ask_for_the_end_of_what_was_begun(tmp_path: Path) -> None:
    """And leaves alone what another process is making."""
    end_begun(tmp_path / "none")
    assert not (tmp_path / "none").exists()
    write(tmp_path, "old")
    killed(tmp_path, 3)
    assert set(read(tmp_path).values()) == {"old", "new"}
    end_begun(tmp_path)
    assert read(tmp_path) == dict.fromkeys(NAMES, "new")
    assert not hidden(tmp_path)
    with staged(tmp_path) as folder:
        end_begun(tmp_path)
        assert hidden(tmp_path) == [folder.parent]


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("step", ["replace", "unlink"])
def test_what_is_removed_goes_with_what_is_moved(
    at: int, step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or stays with it; of what a killed process began, too."""
    write(tmp_path / "whole", "old")
    (tmp_path / "whole" / "other").write_text("mine")
    write_fewer(tmp_path / "whole", "new")
    assert read(tmp_path / "whole") == dict.fromkeys(NAMES[:2], "new") | {"other": "mine"}
    write(tmp_path / "killed", "old")
    killed(tmp_path / "killed", at, do=write_fewer, step=step)
    with staged(tmp_path / "killed"):
        assert read(tmp_path / "killed") == dict.fromkeys(NAMES[:2], "new")
    write(tmp_path, "old")
    with monkeypatch.context() as patched:
        patched.setattr(Path, step, failing(at, raising(OSError(errno.EIO, "broken")), step))
        with pytest.raises(OutputError):
            write_fewer(tmp_path, "new")
    assert read(tmp_path) == dict.fromkeys(NAMES, "old")
    assert not hidden(tmp_path)


def test_what_others_wrote_before_the_move_goes_too_and_is_told(tmp_path: Path) -> None:
    """Files, and no folders; nothing is told of what is not there."""
    (tmp_path / "c").mkdir(parents=True)
    gone: list[str] = []
    with staged(tmp_path, removed=gone) as folder:
        (folder / "a").write_text("new")
        remove_too(folder, [*NAMES, "e"])
        with staged(tmp_path) as others:
            for name in ("a", "b", "d"):
                (others / name).write_text("others")
        assert not gone
    assert gone == ["b", "d"]
    assert {path.name for path in tmp_path.iterdir()} == {"a", "c"}
    assert read(tmp_path) == {"a": "new"}


def _killed_while_its_folder_is_removed(out: Path, meanwhile: str) -> None:
    """All is moved; another writer comes before the end."""
    remove = shutil.rmtree

    def kill(*_: Any, **__: Any) -> None:
        shutil.rmtree = remove
        write(out, meanwhile)
        os.kill(os.getpid(), signal.SIGKILL)

    shutil.rmtree = kill
    write_fewer(out, "new")


def test_a_whole_move_is_not_ended_again(tmp_path: Path) -> None:
    """Files that came after it are not those that it was to remove."""
    write(tmp_path, "old")
    context = multiprocessing.get_context("fork")
    one = context.Process(target=_killed_while_its_folder_is_removed, args=(tmp_path, "newer"))
    one.start()
    one.join()
    assert one.exitcode == -signal.SIGKILL
    assert len(hidden(tmp_path)) == 1
    with staged(tmp_path):
        assert read(tmp_path) == dict.fromkeys(NAMES, "newer")
    assert read(tmp_path) == dict.fromkeys(NAMES, "newer")
    assert not hidden(tmp_path)


def test_a_mark_that_stays_after_the_move_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third that is unlinked, after two files."""
    write(tmp_path / "killed", "old")
    killed(tmp_path / "killed", 3, do=write_fewer, step="unlink")
    assert [mark.name for mark in (tmp_path / "killed").glob("*/moving")] == ["moving"]
    with staged(tmp_path / "killed"):
        assert read(tmp_path / "killed") == dict.fromkeys(NAMES[:2], "new")
    write(tmp_path, "old")
    broken = raising(OSError(errno.EIO, "broken"))
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", failing(3, broken, "unlink"))
        write_fewer(tmp_path, "new")
    assert read(tmp_path) == dict.fromkeys(NAMES[:2], "new")
    assert not hidden(tmp_path)


def test_what_was_not_yet_being_moved_is_removed(tmp_path: Path) -> None:
    write(tmp_path, "old")
    killed(tmp_path, 0)
    killed(tmp_path, 0, signal.SIGTERM)
    assert read(tmp_path) == dict.fromkeys(NAMES, "old")
    assert len(hidden(tmp_path)) == 1  # the second has removed what the first left
    write(tmp_path, "newer")
    assert read(tmp_path) == dict.fromkeys(NAMES, "newer")
    assert not hidden(tmp_path)


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    with staged(tmp_path) as outer:
        (outer / "x").write_text("1")
        write(tmp_path, "new")
        assert outer.is_dir()
        assert not is_left(outer.parent)
    assert read(tmp_path) == {**dict.fromkeys(NAMES, "new"), "x": "1"}


def _write_often(out: Path, content: str) -> None:
    for _ in range(40):
        write(out, content)


def test_two_processes_do_not_mix(tmp_path: Path) -> None:
    write(tmp_path, "0")
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write_often, args=(tmp_path, str(k))) for k in (1, 2)]
    for one in writers:
        one.start()
    while any(one.is_alive() for one in writers):
        with alone_in(tmp_path):
            assert len(set(read(tmp_path).values())) == 1
    assert [one.exitcode for one in writers] == [0, 0]
    assert not hidden(tmp_path)


def test_who_does_not_leave_is_waited_for_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lora_lens.locked._PATIENCE", 0.1)
    with alone_in(tmp_path), pytest.raises(OutputError, match="another lora-lens is writing"):
        write(tmp_path, "new")
    assert not read(tmp_path)


def test_a_thread_can_write(tmp_path: Path) -> None:
    thread = threading.Thread(target=write, args=(tmp_path, "new"))
    thread.start()
    thread.join()
    assert read(tmp_path) == dict.fromkeys(NAMES, "new")


def test_a_full_disk(small_disk: Path) -> None:
    write(small_disk, "old")
    with pytest.raises(OutputError, match=r"No space left"):
        write(small_disk, "new" * 10_000)
    assert read(small_disk) == dict.fromkeys(NAMES, "old")
    assert not hidden(small_disk)


def test_a_disk_that_is_full_while_files_are_made(tmp_path: Path) -> None:
    def fill() -> None:
        with staged(tmp_path) as folder:
            (folder / "a").write_text("new")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    write(tmp_path, "old")
    with pytest.raises(OutputError, match=r"cannot write to .*No space left"):
        fill()
    assert read(tmp_path) == dict.fromkeys(NAMES, "old")
    assert not hidden(tmp_path)


@pytest.mark.parametrize("where", ["/proc/x", "{}/file/x", "{}/" + "x" * 300])
def test_what_cannot_be_written_is_known_at_once(where: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    where = where.format(tmp_path)
    with pytest.raises(OutputError, match="cannot write"), staged(Path(where)):
        pytest.fail("the block was entered")
    with pytest.raises(OutputError, match="cannot write"), staged_file(Path(where)):
        pytest.fail("the block was entered")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_devices_pipes_and_links_stay_what_they_are(tmp_path: Path) -> None:
    before = Path("/dev/null").stat()
    with staged_file(Path("/dev/null")) as file:
        file.write_text("x")
    assert Path("/dev/null").stat().st_ino == before.st_ino
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    with staged_file(pipe) as file:
        file.write_text("through")
    reader.join()
    assert got == ["through"]
    (tmp_path / "real").write_text("old")
    link = tmp_path / "link"
    link.symlink_to("real")
    to_device = tmp_path / "device"
    to_device.symlink_to("/dev/null")
    for target in (link, to_device):
        with staged_file(target) as file:
            file.write_text("new")
        assert target.is_symlink()
    assert (tmp_path / "real").read_text() == "new"
    (tmp_path / "later").symlink_to(tmp_path / "missing")
    with staged_file(tmp_path / "later") as file:
        file.write_text("now")
    assert (tmp_path / "missing").read_text() == "now"
    assert not hidden(tmp_path)


def test_a_report_to_a_stream_or_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("plotly")
    writing = import_module("lora_lens.report.write")
    monkeypatch.setattr(writing, "render", lambda *_, **__: "<html>")
    monkeypatch.setattr(writing, "told", lambda *_: {"summary": "said", "not_analysed": []})
    analysed: list[int] = []
    monkeypatch.setattr(writing, "analyse", lambda *_: analysed.append(1))
    lora = write_lora(tmp_path / "lora", BertLike())
    for device in ("/dev/null", "/dev/full"):
        result = CliRunner().invoke(app, ["report", str(lora), "-o", device])
        assert result.exit_code == (device == "/dev/full")
        assert stat.S_ISCHR(Path(device).stat().st_mode)
    assert "No space left" in result.stderr
    analysed.clear()
    for nowhere in (
        "/proc/x.html",
        str(lora / "adapter_config.json" / "x.html"),
        str(tmp_path / f"{'x' * 300}.html"),
    ):
        result = CliRunner().invoke(app, ["report", str(lora), "-o", nowhere])
        assert result.exit_code == 1
        assert "cannot write" in result.stderr
    assert not analysed


@pytest.mark.parametrize("number", ENDING)
def test_a_command_that_is_ended_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip("a process in the background does not hear of it")
    demo = Path(__file__).parents[1] / "lora_lens" / "demo" / "lora"
    out = tmp_path / "out"
    command = [
        sys.executable, "-m", "lora_lens", "spectrum", str(demo), "--no-w0", "--out", str(out),
    ]  # fmt: skip
    ended = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    while not out.exists() and ended.poll() is None:
        threading.Event().wait(0.01)
    ended.send_signal(number)
    _, said = ended.communicate()
    assert ended.returncode == 128 + number, said
    assert "nothing is half-written" in said
    assert not out.exists() or not list(out.iterdir())


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_who_may_read_is_the_umasks_affair(umask: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        with staged(tmp_path) as folder:
            (folder / "usual").touch()
            (folder / "owners").touch(0o600)  # as safetensors writes
    finally:
        os.umask(before)
    for name in ("usual", "owners"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize("shown", [0o644, 0o755])  # of folders and files alike
def test_a_drive_that_knows_no_modes(
    shown: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Path.stat

    def stated(path: Path, **options: bool) -> os.stat_result:
        found = own(path, **options)
        return os.stat_result((stat.S_IFMT(found.st_mode) | shown, *found[1:]))

    refused = PermissionError(errno.EPERM, "Operation not permitted")
    monkeypatch.setattr(Path, "chmod", lambda *_: raising(refused)())
    monkeypatch.setattr(Path, "stat", stated)
    write(tmp_path, "new")
    monkeypatch.undo()
    assert read(tmp_path) == dict.fromkeys(NAMES, "new")


def test_a_check_before_the_move_leaves_what_is_there(tmp_path: Path) -> None:
    """It comes when the folder is this process's alone: nobody can be quicker any more."""
    write(tmp_path, "old")

    def alone() -> None:
        assert not is_left(tmp_path)
        raise OutputError("another's")

    with pytest.raises(OutputError, match="another's"), staged(tmp_path, check=alone) as folder:
        (folder / NAMES[0]).write_text("new")
    assert read(tmp_path) == dict.fromkeys(NAMES, "old")


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(OutputError, match="it is a file; name a folder"), staged(tmp_path / "file"):
        pass
    assert (tmp_path / "file").read_text() == "kept"


def test_what_a_killed_process_began_is_ended_before_newer_files_are_moved(tmp_path: Path) -> None:
    """Killed after this one had begun: its files are the older ones."""
    with staged(tmp_path) as folder:
        killed(tmp_path, 1)
        for name in NAMES:
            (folder / name).write_text("newest")
    assert read(tmp_path) == dict.fromkeys(NAMES, "newest")
    with staged(tmp_path) as folder:
        (folder / "beside").write_text("")
    assert read(tmp_path) == {**dict.fromkeys(NAMES, "newest"), "beside": ""}


def test_a_remainder_that_was_nearly_removed_bars_nothing(tmp_path: Path) -> None:
    """Killed while it was removing its folder: the sign that it was moving is there, and no file to move."""
    left = tmp_path / f"{PREFIX}left"
    left.mkdir()
    (left / "moving").touch()
    write(tmp_path, "new")
    assert read(tmp_path) == dict.fromkeys(NAMES, "new")
    assert not hidden(tmp_path)
