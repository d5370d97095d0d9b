"""Several tensors that can be a module's W0: which of them fit it, and whether they are one and the same."""

from __future__ import annotations

from collections.abc import Sequence

from ..files.tensors import TensorStore
from .as_stored import can_be
from .towers import towers_in


def fitting(
    names: list[str], tensors: TensorStore, expected: tuple[int, int], *, own: bool
) -> list[str]:
    """Those of several that can be of the shape `expected`, whichever way round; all where none can.

    In another base than the adapter's own, a tower as wide as the adapter may well be the other one.

    Args:
        names: Of the tensors.
        tensors: The base's.
        expected: W0's (out, in).
        own: Whether the base is the one that the adapter names.
    """
    towers = {frozenset(towers_in(name)) for name in names}
    if len(names) < 2 or (len(towers) > 1 and not own):
        return names
    return [name for name in names if can_be(tensors.shape(name), expected)] or names


def all_equal(names: Sequence[str], tensors: TensorStore) -> bool:
    """Whether the tensors of these names are one and the same, as tied weights are."""
    first = tensors.get(names[0]) if len(names) > 1 else None
    return first is None or all(
        first.shape == (other := tensors.get(name)).shape and bool((first == other).all())
        for name in names[1:]
    )
