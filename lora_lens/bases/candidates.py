"""Several tensors that can be a module's W0: which of them fit it, and whether they are one and the same."""

from __future__ import annotations

from collections.abc import Iterable

from ..arrays import Tensor
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


def all_equal(candidates: Iterable[Tensor]) -> bool:
    """Whether tensors, of which no more than two are read at once, are one and the same, as tied weights are.

    Example:
        >>> import torch
        >>> all_equal([torch.ones(2), torch.ones(2)]), all_equal([torch.ones(2), torch.ones(2, 1)])
        (True, False)
    """
    others = iter(candidates)
    first = next(others)
    return all(first.shape == one.shape and bool((first == one).all()) for one in others)
