"""Shapes are checked in what a test calls first: the hundredth set of a level has the shapes of the first."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import beartype
from jaxtyping import config

MOST = 300  # checks of a test, of arguments or of what is returned

_left = MOST


def begin() -> None:
    """As many again."""
    global _left  # noqa: PLW0603
    _left = MOST
    config.update("jaxtyping_disable", False)


def at_first(function: Callable[..., Any]) -> Callable[..., Any]:
    """What checks the annotations of ``function`` until there have been enough."""
    checked = beartype.beartype(function)

    @wraps(checked)
    def counted(*args: Any, **kwargs: Any) -> Any:
        global _left  # noqa: PLW0603
        _left -= 1
        if _left <= 0:
            config.update("jaxtyping_disable", True)
        return checked(*args, **kwargs)

    return counted
