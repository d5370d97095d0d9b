"""The libraries that make quantised weights floats, which an extra brings."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from ...errors import BaseModelError
from ...printable import first_line
from .store import Packed

_FETCHES = "kernels"
_ONE_AT_A_TIME = threading.Lock()  # weights are read in several threads


def library(module: str, packed: Packed, title: str) -> Any:
    """A module of one of these libraries.

    Raises:
        BaseModelError: It is not installed.
    """
    try:
        with _ONE_AT_A_TIME, _by_itself():
            return import_module(module)
    except ImportError as error:
        raise BaseModelError(
            f'{packed.name} of {packed.store.source} is quantised by {title}: pip install "lora-lens[quantized]" '
            f"to read it ({error.name or error} is missing), or {packed.instead}"
        ) from None


@contextmanager
def _by_itself() -> Iterator[None]:
    """Where the package ``kernels`` is there, bitsandbytes has it download and run another's code when it is imported.

    Nothing here needs that code, nor to be told that it is missing.
    """
    before = {_FETCHES: sys.modules[_FETCHES]} if _FETCHES in sys.modules else {}
    sys.modules[_FETCHES] = None  # type: ignore[assignment]
    said = logging.getLogger("bitsandbytes")
    level = said.level
    said.setLevel(logging.ERROR)
    try:
        yield
    finally:
        said.setLevel(level)
        del sys.modules[_FETCHES]
        sys.modules.update(before)


def failed(packed: Packed, title: str, error: Exception) -> BaseModelError:
    """One line of a library's own error."""
    return BaseModelError(
        f"{title} cannot make {packed.name} of {packed.store.source} floats: {first_line(error)}; {packed.instead}"
    )
