"""What a report is asked to hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..adapter import Adapter
from ..chance.p_values import check_seed, fewest_draws
from ..chance.significance import LEVEL
from ..core.conversions.conversion import ConventionChoice
from ..errors import LensError
from ..subspaces.conversions import check_ridge
from .asked import ASKED
from .module_sizes import sizes_of
from .rows import Row

_USUAL = 200
_MOST_NUMBERS = 1 << 28  # of a null's bases in float32: 1 GiB


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


def enough_draws(adapters: Sequence[Adapter], rows: Sequence[Row]) -> int:
    """Draws from which every test of a report can be found after correction, where they fit in memory.

    20 times as many as there are tests, 200 at least; of a large model as many as 1 GiB holds, and then
    the page says what could not be found.
    """
    alone = sum(one.tests for one in ASKED if one.needs != "other")
    between = sum(one.tests for one in ASKED if one.needs == "other")
    have = [sum(name is not None for name in row) for row in rows]
    wanted = fewest_draws(LEVEL, tests=sum(n * alone + n * (n - 1) // 2 * between for n in have))
    largest = max(
        _numbers(adapter, name)
        for row in rows
        for adapter, name in zip(adapters, row, strict=True)
        if name is not None
    )
    return max(_USUAL, min(wanted, _MOST_NUMBERS // largest))


def _numbers(adapter: Adapter, module: str) -> int:
    """How many numbers one draw of a null has: a basis a layer."""
    shape = sizes_of(adapter, module)
    return shape.layers * max(shape.in_features, shape.out_features) * max(shape.ranks)
