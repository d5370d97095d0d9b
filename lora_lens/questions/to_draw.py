"""What a plot of a whole result is given."""

from __future__ import annotations

from ..show.to_draw import check_part
from .answer import Answer, question_of


def check_result(given: object, kind: type[Answer]) -> None:
    """Nothing, where it is what the plot draws.

    Args:
        given: What was passed in.
        kind: What it has to be.

    Raises:
        LensError: It is something else, as a part of it.

    Example:
        >>> from lora_lens.questions.inventory.result import Inventory
        >>> check_result([1.0], Inventory)
        Traceback (most recent call last):
        ...
        lora_lens.errors.LensError: this plot draws an Inventory, which inspect(…) gives; it was given a list
    """
    check_part(given, kind, f"which {question_of(kind).function}(…) gives")
