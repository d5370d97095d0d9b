"""Whether what a TOML file says has the types that a dataclass declares."""

from __future__ import annotations

import types
from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ...errors import SettingsError
from ...files.annotated import fits

_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def check_fields(
    values: Mapping[str, Any], kind: type, source: str, where: str, but: Collection[str] = ()
) -> None:
    """Check a table's keys and values against the fields of a dataclass.

    Args:
        values: As tomllib reads them.
        kind: The dataclass.
        source: The file, for messages.
        where: The table's name in it; empty for the top.
        but: Fields that are not for this table.

    Raises:
        SettingsError: A key is not known, or a value is of another type; names the key.
    """
    known = [field.name for field in fields(kind) if field.name not in but]
    hints = get_type_hints(kind)
    place = f"[{where}]" if where else "it"
    for key, value in values.items():
        if key not in known:
            raise SettingsError(
                f"{source}: {place} says {key!r}; what is known there: {', '.join(known)}"
            )
        if not fits(value, hints[key], strict=True):
            raise SettingsError(
                f"{source}: {place} says {key} = {value!r}, expected {_described(hints[key])}"
            )


def _described(hint: Any) -> str:
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return " or ".join(inner)
    if origin in (Union, types.UnionType):
        return " or ".join(_described(each) for each in inner if each is not types.NoneType)
    if origin in (list, tuple):
        count = "" if origin is list or inner[-1] is Ellipsis else f" of {len(inner)}"
        return f"a list{count}, each {_described(inner[0])}"
    return _NAMES.get(hint, "a table")
