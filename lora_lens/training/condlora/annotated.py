"""Whether what a file of settings says is of the type that a setting has."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin


def fits(value: Any, kind: Any) -> bool:
    """Whether JSON's `value` is of an annotated type: any number where one is expected, anything where a class is.

    Example:
        >>> fits(8.0, int), fits("word", float), fits(["a", 1], list[str] | None)
        (True, False, False)
    """
    origin, inner = get_origin(kind) or kind, get_args(kind)
    if origin in (Union, UnionType):
        return any(fits(value, one) for one in inner)
    if origin is Literal:
        return isinstance(value, str) and value in inner
    if origin in (int, float):
        return type(value) in (int, float)
    if origin is list:
        return isinstance(value, list) and all(fits(one, kind) for one in value for kind in inner)
    return origin not in (bool, str, dict, NoneType) or isinstance(value, origin)
