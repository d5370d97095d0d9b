"""φ between any number of subspaces of any dimensions, in blocks of bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from ..numbers.either import as_numpy, as_torch, is_torch, namespace, swapped


def blocks(widths: Sequence[int], columns: int) -> list[range]:
    """Consecutive runs of subspaces whose dimensions add up to at most `columns`, or single ones.

    Example:
        >>> blocks([2, 2, 3, 9, 1], 4)
        [range(0, 2), range(2, 3), range(3, 4), range(4, 5)]
    """
    found, start, total = [], 0, 0
    for position, width in enumerate(widths):
        if position > start and total + width > columns:
            found.append(range(start, position))
            start, total = position, 0
        total += width
    return [*found, range(start, len(widths))] if widths else []


def phi_of_every_pair(
    bases: Sequence[Float[Any, "d _"]],
    *,
    columns: int = 2048,
    device: Any = None,
    advance: Callable[[], None] = lambda: None,
) -> Float[NDArray[np.float64], "n n"]:
    """`phi_of_bases` of every pair of n orthonormal bases, whose numbers of columns may differ.

    φ(m, n) = ‖U_mᵀU_n‖_F² / min(i_m, i_n). The bases of a block lie side by side, so that two blocks
    take one matrix product; no intermediate is larger than columns×columns, or than one pair needs.

    Args:
        bases: NumPy arrays, or torch tensors of one device.
        columns: Most columns of a block.
        device: torch's, to which a block at a time is copied; by default they are multiplied where they are.
        advance: Called after each pair of blocks (`block_pairs` says how many there are).

    Returns:
        (n, n), symmetric, in float64.

    Example:
        >>> axes = np.eye(3)
        >>> phi_of_every_pair([axes[:, :2], axes[:, 1:], axes[:, :1]], columns=2)  # a block each
        array([[1. , 0.5, 1. ],
               [0.5, 1. , 0. ],
               [1. , 0. , 1. ]])
    """
    n = len(bases)
    result = np.empty((n, n))
    for rows, others in block_pairs([basis.shape[-1] for basis in bases], columns):
        one, other = ([_there(bases[k], device) for k in r] for r in (rows, others))
        values = as_numpy(_between(one, other)).astype(np.float64)
        if rows == others:  # the two orders of summation differ in the last digit
            values = (values + values.T) / 2
        result[rows.start : rows.stop, others.start : others.stop] = values
        result[others.start : others.stop, rows.start : rows.stop] = values.T
        advance()
    return result


def block_pairs(widths: Sequence[int], columns: int) -> Iterator[tuple[range, range]]:
    """Every block with itself and those after it.

    Example:
        >>> list(block_pairs([2, 2, 3], 4))
        [(range(0, 2), range(0, 2)), (range(0, 2), range(2, 3)), (range(2, 3), range(2, 3))]
    """
    found = blocks(widths, columns)
    return ((one, other) for k, one in enumerate(found) for other in found[k:])


def _there(basis: Float[Any, "d i"], device: Any) -> Float[Any, "d i"]:
    return basis if device is None else as_torch(basis, device)


def _between(one: Sequence[Float[Any, "d _"]], other: Sequence[Float[Any, "d _"]]) -> Any:
    """(m, n) φ of the bases of two blocks."""
    xp = namespace(one[0])
    product = swapped(xp.concatenate([*one], -1)) @ xp.concatenate([*other], -1)
    i, j = ([u.shape[-1] for u in us] for us in (one, other))
    sums = swapped(_summed(swapped(_summed(product * product, i)), j))
    smaller: Any = np.minimum.outer(i, j)
    if is_torch(sums):
        smaller = as_torch(smaller, sums.device)
    return xp.clip(sums / smaller, 0, 1)


def _summed(values: Float[Any, "columns k"], widths: Sequence[int]) -> Float[Any, "n k"]:
    """Sums of the rows that belong to one subspace."""
    parts = pairwise(accumulate(widths, initial=0))
    return namespace(values).stack([values[start:stop].sum(0) for start, stop in parts])
