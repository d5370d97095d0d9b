"""One thing where several are taken; how many there are, in words."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar, overload

_Name = TypeVar("_Name", bound="str | Path")
_One = TypeVar("_One")


@overload
def several(given: _Name) -> tuple[_Name, ...]: ...
@overload
def several(given: Iterable[_One]) -> tuple[_One, ...]: ...
@overload
def several(given: object) -> tuple[Any, ...]: ...
def several(given: object) -> tuple[Any, ...]:
    """What was given, one by one; a name or a path, which Python would take letter by letter, is one.

    Example:
        >>> several("BA"), several(["A", "B"]), several(name for name in ("A",))
        (('BA',), ('A', 'B'), ('A',))
    """
    if isinstance(given, (str, os.PathLike)) or not isinstance(given, Iterable):
        return (given,)
    return tuple(given)


def counted(count: int, what: str) -> str:
    """How many of what there are.

    Example:
        >>> counted(1, "layer"), counted(2, "layer")
        ('1 layer', '2 layers')
    """
    return f"{count} {what}{'' if count == 1 else 's'}"
