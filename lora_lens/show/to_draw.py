"""What a plot is given: the part of a result that it draws."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import LensError


def check_part(given: object, kind: type, how: str) -> None:
    """Nothing, where it is what the plot draws.

    Args:
        given: What was passed in.
        kind: What it has to be.
        how: Where a result has it.

    Raises:
        LensError: It is something else, as the whole result.

    Example:
        >>> check_part([1.0], float, "result[0]")
        Traceback (most recent call last):
        ...
        lora_lens.errors.LensError: this plot draws a float, result[0]; it was given a list
    """
    if not isinstance(given, kind):
        raise LensError(f"this plot draws {_a(kind)}, {how}; it was given {_a(type(given))}")


def check_parts(given: object, kind: type, how: str) -> None:
    """Nothing, where it is several of what the plot draws.

    Args:
        given: What was passed in.
        kind: What each of it has to be.
        how: Where they are from.

    Raises:
        LensError: It is something else, as one of them or none.

    Example:
        >>> check_parts(1.0, float, "result.values")
        Traceback (most recent call last):
        ...
        lora_lens.errors.LensError: this plot draws a list of float, result.values; it was given a float
    """
    parts = given if isinstance(given, Sequence) else None
    wrong = [given] if parts is None else [one for one in parts if not isinstance(one, kind)]
    if wrong or not parts:
        found = _a(type(wrong[0])) if wrong else "none"
        raise LensError(f"this plot draws a list of {kind.__name__}, {how}; it was given {found}")


def _a(kind: type) -> str:
    """A kind of things with its article."""
    return f"{'an' if kind.__name__[0] in 'AEIO' else 'a'} {kind.__name__}"
