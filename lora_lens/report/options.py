"""With what every question about a module is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..adapter import Adapter
from ..subspaces.convention import SettledConvention, settle_convention
from .module_sizes import sizes_of
from .request import Request
from .units import Unit


def options_of(
    adapters: Sequence[Adapter], unit: Unit, request: Request
) -> tuple[dict[str, Any], SettledConvention | None]:
    """By their names in a question's function, which takes those that it has; and whose convention it is, of one adapter."""
    options = {
        "rank": request.rank, "ridge": request.ridge, "draws": request.draws, "seed": request.seed,
        "device": request.device, "dtype": request.dtype, "base": unit.base, "memory": request.memory,
    }  # fmt: skip
    shapes = [sizes_of(each, unit.module) for each in adapters]
    if all(shape.in_full for shape in shapes):
        options["rank"] = request.rank or min(shapes[0].ranks)
    if len(adapters) > 1 or shapes[0].in_full:
        return options, None
    settled = settle_convention(request.convention, adapters[0].modules[unit.module], adapters[0])
    return options | {"convention": settled.name}, settled
