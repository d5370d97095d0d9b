"""Outputs are written whole or not at all: into a hidden folder first, moved when all are there.

Where the moving fails, or one of `ENDING` comes in the midst of it, the old files are what is left, or the
new ones: all of them. Where the process is killed in the midst of it, whoever writes to the folder next ends
what was begun, or who asks for it by `end_begun`; and what a process has left that was killed before is removed then.
"""

from __future__ import annotations

import os
import shutil
import signal
import stat
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType

from .errors import OutputError
from .ledger import check_apart, writing, wrote
from .locked import alone_in, held, is_left

PREFIX = ".lora-lens-"
# Ctrl-C, what `kill` sends, and the end of a terminal or of its connection, which Windows has not.
ENDING = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
_OF_FILES = 0o666
_NEW, _OLD, _GONE, _MOVING = "new", "old", "gone", "moving"
_STREAMS = ("/dev/", "/proc/")


@contextmanager
def staged(
    out: Path,
    *,
    last: str | None = None,
    check: Callable[[], None] | None = None,
    removed: list[str] | None = None,
    result: bool = False,
) -> Iterator[Path]:
    """A folder to write into; its files move to `out` when the block ends well, and vanish otherwise.

    Entered before a long computation, it also finds out early that `out` cannot be written.

    Args:
        out: Made if it is not there; files of the same names are replaced, others left alone.
        last: A file to move after all others, as the sign that the rest is there.
        check: Called when what a killed process was moving there has been moved, and again before the files are, when no other
            process moves any: what it raises leaves `out` as it is.
        removed: Is given the names of the files that `remove_too` has had removed, when the block has ended well.
        result: Whether the files are what a command was asked for: whatever ends it later says that they are there.

    Raises:
        OutputError: `out` cannot be written.
        RefusedOutputError: It is what this command reads, or lies in that; or one of the files is read.
    """
    stack = ExitStack()
    with writing(out), none_empty(out):
        try:
            with stack:
                folder = _begun(out, stack, check)
                yield folder / _NEW
                files = sorted(
                    (path.name for path in (folder / _NEW).iterdir()),
                    key=lambda name: (name == last, name),
                )
                with alone_in(out), _undisturbed():
                    _end_what_was_begun(out)
                    if check is not None:
                        check()
                    gone = _move(folder, out, files)
                    wrote(out, result=result)
                    if removed is not None:
                        removed += gone
        except OutputError:
            raise
        except OSError as error:
            raise OutputError(f"cannot write to {out}: {error.strerror or error}") from error
        finally:
            stack.close()  # again: a signal may have come before the first


def remove_too(staging: Path, names: Iterable[str]) -> None:
    """Have files of an earlier result removed from where those of a staging folder are moved, at once with that.

    Args:
        staging: From `staged`; what is in it is written anew, and stays.
        names: Of files that may be there when the others are moved; a folder of such a name stays.
    """
    marks = staging.parent / _GONE
    marks.mkdir(exist_ok=True)
    for name in names:
        if not os.path.lexists(staging / name):
            (marks / name).touch()  # on the disk, for whoever has to end it


def end_moves(out: Path) -> None:
    """Move on what a killed process was moving to `out`, for who reads the files there as one thing.

    What other processes are making there, or have left, is let alone: that is for who writes.

    Args:
        out: Need not be there.

    Raises:
        OutputError: A move was begun, and cannot be ended, or another process does not end its own.
    """
    if any(map(_is_moving, _hidden(out))):
        end_begun(out)


def end_begun(out: Path) -> None:
    """Move on what a killed process was moving to `out`, and remove what it was making, as the next writer does.

    For who goes by one of several files that belong together: where that was moved, and another was not, it would be
    taken for whole, and no writer come.

    Args:
        out: Need not be there.

    Raises:
        OutputError: `out` cannot be written, or another process does not leave it.
    """
    if not _hidden(out):
        return
    try:
        with alone_in(out), _undisturbed():
            _end_what_was_begun(out)
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(
            f"{out} holds files of a process that was killed while it moved them, and they cannot be moved on: "
            f"{error.strerror or error}; let who may write there do it, by any command on that folder"
        ) from error


def _begun(out: Path, stack: ExitStack, check: Callable[[], None] | None) -> Path:
    """A hidden folder in `out` that is this process's until `stack` is closed, and is gone then."""
    if out.is_file():
        raise OutputError(f"cannot write to {out}: it is a file; name a folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
        with alone_in(out):
            _end_what_was_begun(out)
            if check is not None:
                check()
            with _undisturbed():
                folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=out))
                stack.enter_context(held(folder))
                for _ in range(2):  # a signal may end the first
                    stack.callback(shutil.rmtree, folder, ignore_errors=True)
                (folder / _NEW).mkdir()
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(
            f"cannot write to {out}: {error.strerror or error}; choose another folder"
        ) from None
    return folder


def _hidden(out: Path) -> list[Path]:
    """Folders that processes are making here, or have left; a link is none."""
    try:
        return [one for one in out.glob(f"{PREFIX}*") if one.is_dir() and not one.is_symlink()]
    except OSError:  # not ours to look into
        return []


def _is_moving(folder: Path) -> bool:
    """Whether files were being moved out of a hidden folder; a link in it, which no process of ours makes, would lead elsewhere."""
    within = [folder / name for name in (_NEW, _GONE)]
    return (folder / _MOVING).exists() and not any(map(Path.is_symlink, within))


@contextmanager
def staged_file(target: Path) -> Iterator[Path]:
    """A file to write; what is in it is `target` when the block ends well, and `target` is as before otherwise.

    A device, a pipe or a stream of this process (``/dev/null``, ``/dev/stdout``) stays what it is, and is
    written to; a link stays one, and the file that it leads to is replaced.

    Raises:
        OutputError: `target` is a folder, or cannot be written.
        RefusedOutputError: It is what this command reads, or lies in that.
    """
    with writing(target), _whole(target) as file:
        yield file


@contextmanager
def _whole(target: Path) -> Iterator[Path]:
    try:
        found = target.stat() if os.path.lexists(target) else None
    except OSError:  # a link that leads nowhere yet
        found = None
    if found is not None and stat.S_ISDIR(found.st_mode):
        raise OutputError(f"cannot write {target}: it is a folder; name a file in it")
    stream = str(Path(os.path.abspath(target))).startswith(_STREAMS)  # noqa: PTH100
    if found is not None and (stream or not stat.S_ISREG(found.st_mode)):
        with _into_stream(target) as file:
            yield file
        return
    if os.path.islink(target):  # noqa: PTH114  (a name that is too long is no link, not an error)
        target = Path(os.path.realpath(target))
    with staged(target.parent) as folder:
        file = folder / target.name
        try:
            file.touch()  # whether it can have this name
        except OSError as error:
            raise OutputError(f"cannot write {target}: {error.strerror or error}") from None
        yield file
    wrote(target, result=True)


@contextmanager
def _into_stream(target: Path) -> Iterator[Path]:
    if not os.access(target, os.W_OK):
        raise OutputError(f"cannot write {target}: no permission; name another file")
    with tempfile.TemporaryDirectory(prefix="lora-lens-") as folder:
        file = Path(folder) / "file"
        yield file
        try:
            with file.open("rb") as read, target.open("wb") as write:
                shutil.copyfileobj(read, write)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(f"cannot write {target}: {error.strerror or error}") from error


def _move(folder: Path, out: Path, files: Sequence[str]) -> list[str]:
    """Move new files into `out` and remove those that are marked, or leave all that was there; what is removed."""
    mode = (folder / _NEW).stat().st_mode & _OF_FILES  # what umask and drive have for new ones
    for name in files:
        here = out / name
        if here.is_dir() or (here.exists() and not here.is_file()):
            what = "a folder" if here.is_dir() else "a device"
            raise OutputError(f"cannot write {here}: {what} of that name is there")
        new = folder / _NEW / name
        if new.is_file() and new.stat().st_mode & _OF_FILES != mode:
            new.chmod(mode)  # safetensors writes for its owner alone
    gone = _marked(folder, out)
    for name in (*gone, *files):
        check_apart(out / name)
    _keep_old(folder, out, [*gone, *files])
    (folder / _MOVING).touch()  # from here on, whoever finds this ends it
    moved = []
    try:
        for name in gone:
            moved.append(name)
            (out / name).unlink(missing_ok=True)
        for name in files:
            moved.append(name)
            (folder / _NEW / name).replace(out / name)
    except BaseException:
        (folder / _MOVING).unlink()
        _put_back(folder, out, moved)
        raise
    # While no other process writes: what it wrote would be removed by whoever ended this once more.
    with suppress(OSError):  # all is moved, and the mark goes with its folder
        (folder / _MOVING).unlink()
    return gone


def _marked(folder: Path, out: Path) -> list[str]:
    """Names of the files that are to be removed and are there."""
    return sorted(mark.name for mark in (folder / _GONE).glob("*") if (out / mark.name).is_file())


def _keep_old(folder: Path, out: Path, files: Sequence[str]) -> None:
    """A second name for every file that will be replaced or removed; a copy where a drive has no such names."""
    (folder / _OLD).mkdir()
    for name in files:
        if not os.path.lexists(out / name):
            continue
        try:
            os.link(out / name, folder / _OLD / name, follow_symlinks=False)
        except (OSError, NotImplementedError):
            shutil.copy2(out / name, folder / _OLD / name, follow_symlinks=False)


def _put_back(folder: Path, out: Path, moved: Sequence[str]) -> None:
    for name in reversed(moved):
        old, new = folder / _OLD / name, folder / _NEW / name
        if os.path.lexists(old):
            os.replace(old, out / name)  # noqa: PTH105  (what is named may be a link)
        elif not os.path.lexists(new):  # it was moved, to where nothing was
            (out / name).unlink(missing_ok=True)


def _end_what_was_begun(out: Path) -> None:
    """Of processes that are no more: move on what was being moved, remove what was being made."""
    for folder in filter(is_left, _hidden(out)):
        if _is_moving(folder) and (folder / _NEW).is_dir():
            for name in _marked(folder, out):
                (out / name).unlink(missing_ok=True)
            for new in sorted((folder / _NEW).iterdir()):
                if not (out / new.name).is_dir():
                    new.replace(out / new.name)
            (folder / _MOVING).unlink()  # before its folder, of which a part may be left
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """The block in which what ends a process waits for its end."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are for the main thread
        return
    came: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        came.append(number)

    before = {number: signal.getsignal(number) for number in ENDING}
    for number, handler in before.items():
        if handler is not None:  # else it is another library's, of C
            signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)
        for one in came:
            signal.raise_signal(one)


@contextmanager
def none_empty(out: Path) -> Iterator[None]:
    """The block that leaves no empty folder on the way to `out` that was not there before."""
    created = [folder for folder in (out, *out.parents) if not os.path.lexists(folder)]
    try:
        yield
    finally:
        for folder in created:
            with suppress(OSError):  # not empty, or not there
                folder.rmdir()
