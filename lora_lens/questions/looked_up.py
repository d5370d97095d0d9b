"""What a result has by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from ..errors import ResultLookupError

T = TypeVar("T")


def looked_up(things: Mapping[str, T], name: str, what: str) -> T:
    """The one of that name.

    Args:
        things: By name.
        name: Which.
        what: What they are, for the message.

    Raises:
        ResultLookupError: There is none; a KeyError too, so that ``name in result`` works.

    Example:
        >>> looked_up({"A": 1, "B": 2}, "C", "matrix")
        Traceback (most recent call last):
        ...
        lora_lens.errors.ResultLookupError: the result has no matrix 'C'; it has: A, B
    """
    try:
        return things[name]
    except (KeyError, TypeError):
        raise ResultLookupError(
            f"the result has no {what} {name!r}; it has: {', '.join(things) or 'none'}"
        ) from None
