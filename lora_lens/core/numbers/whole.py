"""What has to be a whole number, as people pass it in."""

from __future__ import annotations

import operator
from typing import Any, SupportsIndex

import numpy as np

from ...errors import LensError
from ...several import several


def whole(value: SupportsIndex, name: str) -> int:
    """`value` as Python's own, which JSON takes where it takes none of NumPy's; a message calls it `name`.

    Raises:
        LensError: It is no whole number: 2.5, 4.0, '4', True.

    Example:
        >>> import numpy as np
        >>> whole(np.int64(4), "rank")
        4
        >>> whole(4.0, "rank")
        Traceback (most recent call last):
        ...
        lora_lens.errors.LensError: rank is 4.0; expected a whole number
    """
    try:
        return _index(value)
    except TypeError:
        raise LensError(f"{name} is {value!r:.60}; expected a whole number") from None


def _index(value: Any) -> int:
    """Of a truth value there is none, though Python has True as 1, and NumPy before 2 has its own."""
    if isinstance(value, bool | np.bool_):
        raise TypeError
    return operator.index(value)


def whole_or_none(value: SupportsIndex | None, name: str) -> int | None:
    """`whole`, but of None, which is None.

    Example:
        >>> whole_or_none(4, "rank"), whole_or_none(None, "rank")
        (4, None)
    """
    return None if value is None else whole(value, name)


def check_whole(**named: object) -> None:
    """Nothing, where each is a whole number, Python's or NumPy's; messages call them by name.

    Raises:
        LensError: One is something else: 2.5, 4.0, '4'.

    Example:
        >>> check_whole(i=3, j=4)
        >>> check_whole(rank="4")
        Traceback (most recent call last):
        ...
        lora_lens.errors.LensError: rank is '4'; expected a whole number
    """
    for name, value in named.items():
        whole(value, name)  # type: ignore[arg-type]


def whole_numbers(value: Any, name: str) -> tuple[int, ...]:
    """Whole numbers, Python's; one by itself is a list of one.

    Args:
        value: One, or several.
        name: For messages.

    Raises:
        LensError: It is something else.

    Example:
        >>> whole_numbers(5, "ks"), whole_numbers([1, 5], "ks")
        ((5,), (1, 5))
        >>> whole_numbers([1.5], "ks")
        Traceback (most recent call last):
        ...
        lora_lens.errors.LensError: ks is [1.5]; expected whole numbers
    """
    try:
        return tuple(map(_index, several(value)))
    except TypeError:
        raise LensError(f"{name} is {value!r:.60}; expected whole numbers") from None
