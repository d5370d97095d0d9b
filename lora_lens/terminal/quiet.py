"""Whether ``--quiet`` was asked for: nothing on standard error then but errors and warnings."""

from __future__ import annotations

from contextvars import ContextVar

_asked = ContextVar("quiet", default=False)


def is_quiet() -> bool:
    """Whether to say nothing but what went wrong."""
    return _asked.get()


def be_quiet(wanted: bool) -> None:
    """From here on, or not."""
    _asked.set(wanted)
