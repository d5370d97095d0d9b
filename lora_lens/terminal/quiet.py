"""Whether ``--quiet`` was asked for: nothing on standard error then but errors and warnings; and what is never said."""

from __future__ import annotations

import logging
from contextvars import ContextVar

# Of huggingface_hub, before and after each of the five times that it asks again: our own line says it in the end.
_RETRIED = (" thrown while requesting ", "Retrying in ")
_asked = ContextVar("quiet", default=False)


def is_quiet() -> bool:
    """Whether to say nothing but what went wrong."""
    return _asked.get()


def be_quiet(wanted: bool) -> None:
    """From here on, or not."""
    _asked.set(wanted)


def quiet_retries() -> None:
    """Keep a hub that is out of reach to one line; that it has set a limit, and is waited for, is still said."""
    logging.getLogger("huggingface_hub.utils._http").addFilter(_is_no_retry)


def _is_no_retry(record: logging.LogRecord) -> bool:
    return not any(words in record.getMessage() for words in _RETRIED)
