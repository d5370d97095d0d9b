"""What a report is asked to hold."""

from __future__ import annotations

from dataclasses import dataclass

from ..chance.p_values import check_seed
from ..core.conversions.conversion import ConventionChoice
from ..errors import LensError
from ..subspaces.conversions import check_ridge


@dataclass(frozen=True, kw_only=True)
class Request:
    """The choices of a report.

    Attributes:
        modules: Which target modules; None for all.
        rank: i and j; None for each module's smallest rank.
        convention: ``auto`` for each adapter's own: a CondLoRA adapter's, else by W0's shape.
        draws: Draws of each null; None for as many as its tests need, see `enough_draws`.
        seed: Of those draws.
        device, dtype: Where to compute, and in which precision.
        ridge: Of the conversions of `similarity`; 0 for the paper's.
        memory: That each part may take; None for half of what is free when it begins.
    """

    modules: tuple[str, ...] | None = None
    rank: int | None = None
    convention: ConventionChoice = "auto"
    draws: int | None = None
    seed: int = 0
    device: str = "auto"
    dtype: str = "float64"
    ridge: float = 0.0
    memory: str | int | None = None

    def __post_init__(self) -> None:
        check_seed(self.seed)
        if self.draws is not None and self.draws < 2:
            raise LensError(
                f"draws is {self.draws}; a report tests against nulls, so expected 2 or more"
            )
        check_ridge(self.ridge)
