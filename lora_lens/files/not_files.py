"""What stands where a file or a folder is expected, and is neither: told by the system, and never opened, for a pipe would be waited for."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

_KINDS = (
    (stat.S_ISFIFO, "a pipe (FIFO)"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def not_a_file(path: Path, *, folder: bool = False) -> str | None:
    """What a path leads to that is no file: a pipe, a socket, a device, a link in a circle; None of a file, or of nothing.

    Args:
        path: Of any length, and of any characters.
        folder: Whether a folder is told too.

    Example:
        >>> not_a_file(Path("/dev/null")), not_a_file(Path("/")), not_a_file(Path("/"), folder=True)
        ('a device', None, 'a folder')
    """
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116  (of a name that is none, too)
    except OSError as error:
        return "a link that leads to itself" if error.errno == errno.ELOOP else None
    except ValueError:  # a name with a character that no name has
        return None
    if stat.S_ISDIR(mode):
        return "a folder" if folder else None
    return next((told for is_one, told in _KINDS if is_one(mode)), None)
