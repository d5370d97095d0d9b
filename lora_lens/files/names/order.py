"""The order in which a person lists names with numbers in them."""

from __future__ import annotations

import re


def natural(text: str) -> list[tuple[int, int, str]]:
    """A key that sorts numbers within names as numbers: ``seed-2`` before ``seed-10``."""
    parts = re.split(r"(\d+)", text)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]
