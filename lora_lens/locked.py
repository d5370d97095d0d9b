"""Folders that one process holds at a time; the system lets go of them when the process ends, however it ends.

By ``flock`` of the folder itself, which leaves no file behind. Where there is none (Windows, some network
drives) nothing is held, and nothing is taken for left behind.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import OutputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_PATIENCE = 60.0  # seconds; what is done under a lock takes milliseconds
_PAUSE = 0.05


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """The block in which no other process is in this folder.

    Raises:
        OutputError: Another one does not leave it.
    """
    held = _open(folder)
    ends = time.monotonic() + _PATIENCE
    try:
        while held is not None and not _lock(held):
            if time.monotonic() > ends:
                raise OutputError(
                    f"another lora-lens is writing to {folder}; wait for it, or choose another folder"
                )
            time.sleep(_PAUSE)
        yield
    finally:
        if held is not None:
            os.close(held)


@contextmanager
def held(folder: Path) -> Iterator[bool]:
    """The block in which a folder is this process's; see `is_left`. Whether it is: not where another one holds it."""
    opened = _open(folder)
    try:
        yield opened is None or _lock(opened)
    finally:
        if opened is not None:
            os.close(opened)


def is_left(folder: Path) -> bool:
    """Whether a folder was held once and is no more; False where that cannot be known."""
    opened = _open(folder)
    if opened is None:
        return False
    try:
        return _lock(opened, unknown=False)
    finally:
        os.close(opened)


def _open(folder: Path) -> int | None:
    if fcntl is None:
        return None
    try:
        return os.open(folder, os.O_RDONLY)
    except OSError:
        return None


def _lock(opened: int, *, unknown: bool = True) -> bool:
    """Whether it is this process's now; `unknown` where the drive knows no locks."""
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return unknown
    return True
