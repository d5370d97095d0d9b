"""A GGUF file by the library ``gguf``, its header checked before; and what the header says in words."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from ...errors import FileFormatError, LensError
from ...printable import first_line
from .gguf_header import check_header

_KEYS = (
    "general.architecture", "general.type", "general.base_model.0.repo_url", "adapter.type", "adapter.lora.alpha",
    "adapter.alora.invocation_tokens",
)  # fmt: skip
_LONGEST = 200


def read_gguf(path: Path, missing: LensError) -> Any:
    """The library's reader of a file.

    Args:
        path: Of the file.
        missing: What to raise where the library is not installed.

    Raises:
        FileFormatError: The file is truncated or corrupt, or two tensors lie on the same bytes.
    """
    try:
        import gguf
    except ImportError:
        raise missing from None
    check_header(path)
    try:
        found = gguf.GGUFReader(path)
        places = [(int(one.data_offset), int(one.n_bytes), one.name) for one in found.tensors]
    except Exception as error:  # it raises whatever the broken bytes lead it to
        raise FileFormatError(f"{path} is not a whole GGUF file ({first_line(error)})") from None
    _check_apart(path, places)
    return found


def _check_apart(path: Path, places: list[tuple[int, int, str]]) -> None:
    """Refuse tensors of which one begins before another ends; one of no bytes lies on none."""
    of_bytes = sorted(place for place in places if place[1])
    for (start, size, name), (following, _, other) in pairwise(of_bytes):
        if following < start + size:
            raise FileFormatError(
                f"{path} is not a whole GGUF file ({name!r} and {other!r} lie on the same bytes)"
            )


def content(field: Any, path: Path) -> Any:
    """What a field says.

    Raises:
        FileFormatError: It is no value of its type.
    """
    try:
        return field.contents()
    except Exception as error:  # the bytes of a word, or a number of a type, that are none
        raise FileFormatError(f"{path} is not a whole GGUF file ({first_line(error)})") from None


def said(reader: Any, path: Path) -> Mapping[str, str]:
    """What the header says of the model or the adapter, as words; of what is long, its beginning."""
    found = {}
    for key in _KEYS:
        field = reader.fields.get(key)
        if field is not None:
            found[key] = str(content(field, path))[:_LONGEST]
    return found
