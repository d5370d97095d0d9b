"""What has to be a whole number, as people pass it in."""

from __future__ import annotations

import operator

from ..errors import LensError


def check_whole(**named: object) -> None:
    """Nothing, where each is a whole number, Python's or NumPy's, or None; messages call them by name.

    Raises:
        LensError: One is something else: 2.5, 4.0, '4'.

    Example:
        >>> check_whole(i=3, j=None)
        >>> check_whole(rank="4")
        Traceback (most recent call last):
        ...
        lora_lens.errors.LensError: rank is '4'; expected a whole number
    """
    for name, value in named.items():
        try:
            None if value is None else operator.index(value)  # type: ignore[arg-type]
        except TypeError:
            raise LensError(f"{name} is {value!r:.60}; expected a whole number") from None
