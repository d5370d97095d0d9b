"""What the sentences share: where they draw lines, and how they enumerate."""

from __future__ import annotations

from collections.abc import Sequence

BELOW = (
    -3.0
)  # deviations of a null under which a number is called less: the tests are of the upper tail
ONE = 1 - 1e-5
AS_TOLD = ", as far as the test tells"  # after what is not found: a test cannot show that there is nothing
TOO_FEW = "beyond telling from so few draws"


def too_few(draws: int | None, level: float) -> bool:
    """Whether no p-value, of which the least is 1/(draws + 1), could be at the level."""
    return 1 / ((draws or 0) + 1) > level


def listed(names: Sequence[str]) -> str:
    """``A, B and BA``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
