"""What a command reads and where it writes: it never writes over, or into, what it reads.

Whoever opens a file or a folder of somebody's notes it, and the one place that writes asks; whichever comes second is
refused. Things are known by the system's own numbers of them, so that links, hard links and other spellings are the same.
Notes last for one command, or one call of a function that reads and writes: in a notebook nothing is kept from being
written anew because it was read an hour ago. They are the process's, whose threads read for each other.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .errors import RefusedOutputError

_Number = tuple[int, int]  # of a file or a folder: the device's, and its own on that


@dataclass
class _Notes:
    files: dict[_Number, Path] = field(default_factory=dict)
    folders: dict[_Number, Path] = field(default_factory=dict)
    outs: list[Path] = field(default_factory=list)  # that are being written, folders and files
    own: set[_Number] = field(default_factory=set)  # folders that were written by this command


_notes: list[_Notes] = []  # of the command that goes on, if one does
_results: list[Path] = []


@contextmanager
def one_command() -> Iterator[None]:
    """The block whose reads and writes are noted; within another it is a part of that."""
    if _notes:
        yield
        return
    _results.clear()
    _notes.append(_Notes())
    try:
        yield
    finally:
        _notes.clear()


def reads(*paths: str | Path) -> None:
    """Note files, or folders with all that is below them, that are read; not what this command has written itself.

    Raises:
        RefusedOutputError: It is being written over, or into.
    """
    for notes in _notes[:1]:
        for path in map(Path, paths):
            number = _number(path)
            if number is None or notes.own & {one for one, _ in _above(path)}:
                continue
            (notes.folders if path.is_dir() else notes.files)[number] = path
        for out in notes.outs:
            check_apart(out)


@contextmanager
def writing(out: Path, *, own: bool = False) -> Iterator[None]:
    """The block in which a folder, or a file, is written.

    Args:
        out: Need not be there.
        own: Whether all that lies in the folder is this command's own, as a run's that is gone on with: reading it is no matter.

    Raises:
        RefusedOutputError: It is, or lies in, what is read.
    """
    check_apart(out)
    for notes in _notes[:1]:
        notes.outs.append(out)
        if own:
            wrote(out)
        try:
            yield
        finally:
            notes.outs.remove(out)
        return
    yield


def check_apart(out: Path) -> None:
    """Refuse a folder or a file that is read, or that lies in a folder that is.

    Raises:
        RefusedOutputError: It is one.
    """
    for notes in _notes[:1]:
        read = notes.files.get(_number(out) or (0, 0))
        if read is not None and _number(read) == _number(out):
            raise RefusedOutputError(
                f"{out} is {_called(read, out)}read, and would be written over; choose another --out"
            )
        for number, folder in _above(out):
            read = notes.folders.get(number)
            # The number of what is no more may be another's now.
            if read is not None and _number(read) == number:
                same = folder == Path(os.path.realpath(out))
                at = f"is {_called(read, out)}read" if same else f"lies in {read}, which is read"
                raise RefusedOutputError(
                    f"{out} {at}, and would be written into; choose another --out"
                )


def wrote(out: Path, *, result: bool = False) -> None:
    """Note that a folder, or a file, has been written: what is in it is this command's own.

    Args:
        out: It.
        result: Whether it is what the command was asked for, which stays whatever ends the command from here on.
    """
    for notes in _notes[:1]:
        if (number := _number(out)) and out.is_dir():
            notes.own.add(number)
    if result:
        _results[:] = [out]


def result_written() -> str:
    """That the last command's result is written, and where, in words; empty where it is not."""
    return f"the result is written to {_results[0]}" if _results else ""


def _called(read: Path, out: Path) -> str:
    return "" if read == out else f"{read}, which is "


def _above(path: Path) -> Iterator[tuple[_Number, Path]]:
    """What is there of a path and of the folders that it lies in, with their numbers, links followed."""
    real = Path(os.path.realpath(path))
    for one in (real, *real.parents):
        if number := _number(one):
            yield number, one


def _number(path: Path) -> _Number | None:
    try:
        found = path.stat()
    except (OSError, ValueError):  # not there, or no name
        return None
    return found.st_dev, found.st_ino
