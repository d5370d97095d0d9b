"""Standard streams that were closed before the program began, as by ``>&-``: whatever it opened next would be in their place."""

from __future__ import annotations

import os
import sys
from io import FileIO, TextIOWrapper
from typing import Any

_READ, _WRITTEN, _SAID = 0, 1, 2  # their numbers


def replace_closed_streams() -> None:
    """A null device for each that is closed, so that no file gets its number, and what libraries print is in none.

    What is said on standard error is lost then, as whoever closed it wished. Of standard output the device takes
    nothing, so that a result that nobody can get is an error and not exit 0.
    """
    if sys.stdin is None:
        _take(_READ, os.O_RDONLY)
        sys.stdin = open(_READ, closefd=False)  # noqa: SIM115
    if sys.stdout is None:
        _take(_WRITTEN, os.O_RDONLY)
        # Without a buffer, which Python would try to write once more at its end.
        raw: Any = FileIO(_WRITTEN, "w", closefd=False)
        sys.stdout = TextIOWrapper(raw, encoding="utf-8", write_through=True)
    if sys.stderr is None:
        _take(_SAID, os.O_WRONLY)
        sys.stderr = open(_SAID, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def _take(number: int, how: int) -> None:
    opened = os.open(os.devnull, how)
    if opened != number:
        os.dup2(opened, number)  # inherited by other programs, as a standard stream is
        os.close(opened)
    else:
        os.set_inheritable(number, True)
