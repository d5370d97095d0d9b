"""The page's own folder of temporary files, and those that killed pages have left."""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..locked import held, is_left
from .uploads import forget

_PREFIX = "lora-lens-web-"
_NAME = re.compile(re.escape(_PREFIX) + r"\w{8}", re.ASCII)
_MARK = ".lora-lens-serve"  # made when the folder is held: one without it may be about to be


@contextmanager
def own_folder() -> Iterator[Path]:
    """A folder that this process holds and that is deleted behind the block; all its temporary files go there.

    Folders of the same kind whose processes were killed are deleted first: this user's, with the mark of one, which nobody
    holds any more. The system lets go of a folder when a process ends, so no number of a process is gone by. Where it knows
    no such hold (Windows), nothing is taken for left behind.
    """
    within = Path(tempfile.gettempdir())
    for folder in within.glob(f"{_PREFIX}*"):
        if _is_ours(folder) and is_left(folder):
            forget(folder)
    with (
        # Who still answers may write there while it is deleted.
        tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as made,
        held(Path(made)),
        _temporary(made),
    ):
        Path(made, _MARK).touch()
        yield Path(made)


def _is_ours(folder: Path) -> bool:
    """Whether a page of this user made it, by all that can be seen."""
    try:
        found, mark = folder.lstat(), (folder / _MARK).lstat()
    except OSError:
        return False
    ours = not hasattr(os, "getuid") or found.st_uid == mark.st_uid == os.getuid()
    kinds = stat.S_ISDIR(found.st_mode) and stat.S_ISREG(mark.st_mode) and mark.st_size == 0
    return bool(_NAME.fullmatch(folder.name)) and ours and kinds


@contextmanager
def _temporary(folder: str) -> Iterator[None]:
    """This process's and its children's temporary files in a folder: also half an upload is then found there."""
    before, variable = tempfile.tempdir, os.environ.get("TMPDIR")
    tempfile.tempdir = os.environ["TMPDIR"] = folder
    try:
        yield
    finally:
        tempfile.tempdir = before
        if variable is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = variable
