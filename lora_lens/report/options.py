"""With what every question about a module is asked."""

from __future__ import annotations

from typing import Any

from ..subspaces.convention import SettledConvention, settle_convention
from .request import Request
from .units import Unit


def options_of(unit: Unit, request: Request) -> tuple[dict[str, Any], SettledConvention | None]:
    """By their names in a question's function, which takes those that it has; and whose convention it is, of one adapter."""
    options = {
        "rank": request.rank, "ridge": request.ridge, "draws": request.draws, "seed": request.seed,
        "device": request.device, "dtype": request.dtype, "base": unit.base, "memory": request.memory,
    }  # fmt: skip
    adapter, sizes = unit.adapters[0], unit.sizes[0]
    if all(each.in_full for each in unit.sizes):
        options["rank"] = request.rank or min(sizes.ranks)
    if len(unit.adapters) > 1 or sizes.in_full:
        return options, None
    settled = settle_convention(request.convention, adapter.modules[unit.module], adapter)
    return options | {"convention": settled.name}, settled
