"""Options that take several values, separated by commas."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import typer

Number = TypeVar("Number", int, float)


def names(text: str) -> tuple[str, ...]:
    """What stands between the commas, without spaces around it; nothing where nothing does.

    Example:
        >>> names("query, value,")
        ('query', 'value')
    """
    return tuple(name.strip() for name in text.split(",") if name.strip())


def numbers(text: str, kind: Callable[[str], Number], option: str) -> tuple[Number, ...]:
    """The same of numbers.

    Raises:
        BadParameter: One is none; names `option`.
    """
    try:
        return tuple(map(kind, names(text)))
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no list of numbers separated by commas", param_hint=option
        ) from None
