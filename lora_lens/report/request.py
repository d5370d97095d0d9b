"""What a report is asked to hold."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.conversion import ConventionChoice
from ..errors import LensError


@dataclass(frozen=True)
class Request:
    """The choices of a report.

    Attributes:
        modules: Which target modules; None for all.
        rank: i and j; None for each module's smallest rank.
        convention: ``auto`` for that of the CondLoRA adapter where there is one, else by W0's shape.
        draws: Draws of each null.
        seed: Of those draws.
        device, dtype: Where to compute, and in which precision.
    """

    modules: tuple[str, ...] | None = None
    rank: int | None = None
    convention: ConventionChoice = "auto"
    draws: int = 200
    seed: int = 0
    device: str = "auto"
    dtype: str = "float64"

    def __post_init__(self) -> None:
        if self.draws < 2:
            raise LensError(
                f"draws is {self.draws}; a report tests against nulls, so expected 2 or more"
            )
