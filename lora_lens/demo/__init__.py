"""A small trained pair that comes with the package; ``CARD.md`` beside this file says how it was made."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def demo_adapter(method: Literal["lora", "condlora"]) -> Path:
    """Folder of the bundled adapter: all-MiniLM-L6-v2, query and value, r = 8.

    Args:
        method: ``lora`` or ``condlora``; both were trained on STS-B with the same settings.

    Example:
        >>> demo_adapter("lora").name
        'lora'
    """
    return Path(__file__).parent / method
