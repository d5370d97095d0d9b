"""Whether what a file says is of the type that a dataclass declares."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin


def fits(value: Any, kind: Any, *, strict: bool) -> bool:
    """Whether `value`, as JSON and TOML are read, is of an annotated type.

    Args:
        value: Numbers, words, lists, tables or None.
        kind: The annotation.
        strict: Whether a whole number is one, and a class a table; else any number will do, and anything where a
            class is.

    Example:
        >>> fits(8, float, strict=True), fits(8.0, int, strict=True), fits(8.0, int, strict=False)
        (True, False, True)
        >>> fits(["a", "b"], tuple[str, ...], strict=True), fits(["a", 1], list[str] | None, strict=True)
        (True, False)
    """
    origin, inner = get_origin(kind) or kind, get_args(kind)
    if origin is Any:
        return True
    if origin in (Union, UnionType):
        return any(fits(value, one, strict=strict) for one in inner)
    if origin is Literal:
        return isinstance(value, str) and value in inner
    if origin in (int, float):
        return type(value) is int or (type(value) is float and not (strict and origin is int))
    if origin in (list, tuple):
        return isinstance(value, list) and _all_fit(value, origin, inner, strict)
    if origin in (dict, Mapping):
        each = inner[1] if inner else Any
        return isinstance(value, dict) and all(
            fits(one, each, strict=strict) for one in value.values()
        )
    if origin in (bool, str, NoneType):
        return isinstance(value, origin)
    return isinstance(value, dict) or not strict


def _all_fit(value: list[Any], origin: type, inner: tuple[Any, ...], strict: bool) -> bool:
    if not inner:
        return True
    of_any_length = origin is list or inner[-1] is Ellipsis
    kinds = [inner[0]] * len(value) if of_any_length else inner
    return len(value) == len(kinds) and all(
        fits(one, kind, strict=strict) for one, kind in zip(value, kinds, strict=True)
    )
