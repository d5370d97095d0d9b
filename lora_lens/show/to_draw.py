"""What a plot is given: the part of a result that it draws."""

from __future__ import annotations

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
        raise LensError(
            f"this plot draws a {kind.__name__}, {how}; it was given a {type(given).__name__}"
        )
