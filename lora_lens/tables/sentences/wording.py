"""What the sentences share: where they draw lines, and how they enumerate."""

from __future__ import annotations

from collections.abc import Sequence

BELOW = (
    -3.0
)  # deviations of a null under which a number is called less: the tests are of the upper tail
ONE = 1 - 1e-5


def listed(names: Sequence[str]) -> str:
    """``A, B and BA``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
