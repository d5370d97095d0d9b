"""How many names a safetensors header or an index of parts has, counted before anything is made of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import FileFormatError
from .names import MOST_NAMES, too_many_names

_LARGEST = 100_000_000  # bytes, which the library allows
_OF_ITS_OWN = 1_000  # quotes of an index's other words
_AT_ONCE = 1 << 20
_MOST_COMMAS = 8 * MOST_NAMES  # six for each tensor of two axes, and what a trainer wrote beside


def check_header_names(path: Path) -> None:
    """Nothing, where there are no more than `MOST_NAMES`, or the file is none that its library reads, which says so itself.

    Of a header that is too short for more, eight bytes are read. 100 MB have room for 1.2 million, of which Python and the
    library make 1.6 GB; or for a shape of 45 million axes.

    Raises:
        FileFormatError: There are more, or more numbers than these have.
    """
    try:
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if not 2 * _MOST_COMMAS < length <= _LARGEST:
                return
            header = stream.read(length)
    except OSError:
        return
    if header.count(b",") > _MOST_COMMAS:
        raise FileFormatError(
            f"{path} has a header of more than {_MOST_COMMAS:,} numbers and words, expected at most so many: save it again by safetensors"
        )
    if header.count(b"{") > MOST_NAMES:
        _count(path, header)


def _count(path: Path, header: bytes) -> None:
    """Braces may be in words too: objects are counted, each of which is a tensor's, and none is kept."""
    left = MOST_NAMES + 2  # with the header itself, and its own words

    def one(_: list[tuple[str, Any]]) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise too_many_names(path)

    try:
        json.loads(header, object_pairs_hook=one)
    except FileFormatError:
        raise
    except (ValueError, RecursionError):  # which ends the library's reading there, too
        return


def check_index_names(path: Path) -> None:
    """The same of an index of parts, by its quotes, four for each name and its file; none is read into memory at once.

    Raises:
        FileFormatError: There are more.
    """
    quotes = 0
    try:
        with path.open("rb") as stream:
            while some := stream.read(_AT_ONCE):
                quotes += some.count(b'"')
                if quotes > 4 * MOST_NAMES + _OF_ITS_OWN:
                    raise too_many_names(path)
    except OSError:
        return
