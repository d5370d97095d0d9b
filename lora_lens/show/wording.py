"""What the sentences share: what counts as one, and how they enumerate."""

from __future__ import annotations

from collections.abc import Sequence

ONE = 1 - 1e-5  # what is above it is 1 but for rounding


def listed(names: Sequence[str]) -> str:
    """``A, B and BA``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
