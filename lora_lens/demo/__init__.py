"""A small trained pair that comes with the package; ``CARD.md`` beside this file says how it was made."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def demo_adapter(method: Literal["lora", "condlora"]) -> Path:
    """Folder of the bundled adapter: all-MiniLM-L6-v2, query and value, r = 8.

    Example:
        >>> demo_adapter("lora").name
        'lora'
    """
    return Path(__file__).parent / method
