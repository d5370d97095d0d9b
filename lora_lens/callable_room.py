"""A room with the name of what it does: ``lora_lens.report`` is a package and, called, the function `report`."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


def callable_room(room: str, file: str, function: str, *others: str) -> None:
    """Make a package callable: one name, whoever imports first.

    What it offers is loaded when it is asked for: whoever imports a small part of a room needs nothing of the rest.

    Args:
        room: The package's ``__name__``.
        file: Its module in which the functions are.
        function: What it is when it is called.
        others: What else it offers.
    """

    class Room(ModuleType):
        def __call__(self, *given: Any, **options: Any) -> Any:
            return getattr(self, function)(*given, **options)

        def __getattr__(self, name: str) -> Any:
            if name not in {function, "__wrapped__", *others}:
                raise AttributeError(f"module {room!r} has no attribute {name!r}")
            asked = function if name == "__wrapped__" else name
            found = getattr(import_module(f".{file}", room), asked)
            setattr(self, name, found)
            return found

        @property
        def __doc__(self) -> str:  # type: ignore[override]
            """For help(), which has the signature of what is wrapped."""
            return str(getattr(self, function).__doc__)

    sys.modules[room].__class__ = Room
