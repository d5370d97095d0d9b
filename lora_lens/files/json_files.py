"""JSON of strangers: words of one line, numbers that a float has room for, one line for what is broken."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..printable import printable
from .by_content import LFS_POINTER, OF_LFS

_MOST_DIGITS = 300


def read_json(path: Path, error: type[Exception]) -> dict[str, object]:
    """The JSON object in a file; `error` with one line where it is missing, broken or no object."""
    try:
        octets = path.read_bytes()
    except FileNotFoundError:
        raise error(f"{path} is missing") from None
    except OSError as problem:
        raise error(f"{path} is not readable JSON: {problem}") from None
    if octets.startswith(LFS_POINTER):
        raise error(f"{path} is {OF_LFS}")
    if not octets.strip():
        raise error(f"{path} is not readable JSON: it is empty; copy or download it again")
    try:
        # With a mark of the order of bytes or in UTF-16, as some editors and shells save it.
        found = json_of(octets.decode(json.detect_encoding(octets)))
    except UnicodeDecodeError as problem:
        raise error(
            f"{path} is not readable JSON: it is not in UTF-8 ({problem.reason} at byte {problem.start}); save it so"
        ) from None
    except (ValueError, RecursionError) as problem:
        raise error(f"{path} is not readable JSON: {problem}") from None
    if not isinstance(found, dict):
        raise error(f"{path} holds a JSON {type(found).__name__}, expected an object")
    return found


def object_in(path: Path | None) -> Mapping[str, Any]:
    """The JSON object in a file that says something beside an adapter; empty where there is no such file, or no object in it."""
    try:
        octets = path.read_bytes() if path else b""
    except OSError:
        return {}
    return object_of(octets.decode(json.detect_encoding(octets), errors="replace"))


def object_of(text: str) -> Mapping[str, Any]:
    """The JSON object that a text is; empty where it is none.

    Example:
        >>> object_of('{"r": 8}'), object_of("[8]"), object_of("{")
        ({'r': 8}, {}, {})
    """
    try:
        found = json_of(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def json_of(text: str) -> Any:
    """What JSON says; its words are printable and of one line each, and its numbers within a float's range.

    Raises:
        ValueError, RecursionError: It is broken, or nested too deeply.
    """
    return json.loads(text, parse_int=_whole, object_pairs_hook=_of_pairs)


def _whole(digits: str) -> int:
    """A whole number that a float has room for."""
    if len(digits) > _MOST_DIGITS:
        raise ValueError(
            f"a whole number of {len(digits):,} digits, expected at most {_MOST_DIGITS}"
        )
    return int(digits)


def _of_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {_in_one_line(name): _in_one_line(value) for name, value in pairs}


def _in_one_line(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isprintable() else printable(" ".join(value.splitlines()))
    if isinstance(value, list):
        return [_in_one_line(one) for one in value]
    return value
