"""The least memory that the question takes, where a report asks it."""

from __future__ import annotations

from collections.abc import Sequence

from ...adapter import Adapter
from ...chance.least_memory import leasts
from ...chance.null_names import NullName
from ...core.conversions.conversion import ConventionChoice
from ...subspaces.convention import settle_convention
from ...subspaces.conversions import MATRICES, Plan
from ...subspaces.dimensions import select_dimensions
from ...subspaces.memory import Least
from ...subspaces.selection import select_module


def least(
    adapter: Adapter,
    module: str,
    rank: int | None,
    *,
    convention: ConventionChoice,
    ridge: float,
    nulls: Sequence[NullName],
    draws: int,
) -> tuple[Least, ...]:
    """Of conversions and of draws; all matrices."""
    factors = select_module(adapter, module)
    i, j = select_dimensions(rank, None, None, min(factors.ranks))
    settled = settle_convention(convention, factors, adapter)
    plan = Plan(factors, MATRICES, i, j, "left", settled.name, draws, float(ridge))
    return leasts(plan, nulls)
