"""The libraries that make quantised weights floats, which an extra brings."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ...errors import BaseModelError
from .store import Packed


def library(module: str, packed: Packed, title: str) -> Any:
    """A module of one of these libraries.

    Raises:
        BaseModelError: It is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise BaseModelError(
            f'{packed.name} of {packed.store.source} is quantised by {title}: pip install "lora-lens[quantized]" '
            f"to read it ({error.name or error} is missing), or {packed.instead}"
        ) from None


def failed(packed: Packed, title: str, error: Exception) -> BaseModelError:
    """One line of a library's own error."""
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return BaseModelError(
        f"{title} cannot make {packed.name} of {packed.store.source} floats: {reason}; {packed.instead}"
    )
