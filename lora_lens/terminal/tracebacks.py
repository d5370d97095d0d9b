"""Whether an error that nobody foresaw is to be seen with its traceback, which is for a report of it."""

from __future__ import annotations

import os

VARIABLE = "LORA_LENS_TRACEBACK"


def traceback_wanted() -> bool:
    """As the environment says."""
    return bool(os.environ.get(VARIABLE))
