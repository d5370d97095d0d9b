"""Which layers two adapters can be compared in."""

from __future__ import annotations

from ..adapter import Adapter, ModuleFactors
from ..errors import AdapterError


def shared_layers(
    one: Adapter, other: Adapter, first: ModuleFactors, second: ModuleFactors
) -> tuple[list[int], tuple[str, ...]]:
    """The layers that both modules have, ascending, and a note for those that only one has.

    Raises:
        AdapterError: They share no layer, or differ in width.
    """
    layers = sorted(set(first.layers) & set(second.layers))
    if not layers:
        raise AdapterError(
            f"{one.source} has {first.module} in layers {_span(first)} and {other.source} in "
            f"{_span(second)}; they share none"
        )
    for axis in ("in_features", "out_features"):
        if getattr(first, axis) != getattr(second, axis):
            raise AdapterError(
                f"{first.module} has {axis} {getattr(first, axis)} in {one.source} and "
                f"{getattr(second, axis)} in {other.source}; they have different base models"
            )
    notes = tuple(
        f"only {adapter.source} has {factors.module} in layers {', '.join(map(str, extra))}"
        for adapter, factors in ((one, first), (other, second))
        if (extra := sorted(set(factors.layers) - set(layers)))
    )
    return layers, notes


def _span(factors: ModuleFactors) -> str:
    return ", ".join(map(str, factors.layers))
