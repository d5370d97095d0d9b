"""φ between any number of subspaces of any dimensions, in blocks of bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor


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
    bases: Sequence[Float[Tensor, "d _"]],
    *,
    columns: int = 2048,
    device: torch.device | None = None,
    advance: Callable[[], None] = lambda: None,
) -> Float[Tensor, "n n"]:
    """`phi_of_bases` of every pair of n orthonormal bases, whose numbers of columns may differ.

    φ(m, n) = ‖U_mᵀU_n‖_F² / min(i_m, i_n). The bases of a block lie side by side, so that two blocks
    take one matrix product; no intermediate is larger than columns×columns, or than one pair needs.

    Args:
        bases: On any device; a block at a time is copied to `device`.
        columns: Most columns of a block.
        device: Where to multiply; where the bases are by default.
        advance: Called after each pair of blocks (`block_pairs` says how many there are).

    Returns:
        (n, n), symmetric, on the CPU, in float64.

    Example:
        >>> axes = torch.eye(3)
        >>> phi_of_every_pair([axes[:, :2], axes[:, 1:], axes[:, :1]], columns=2)  # a block each
        tensor([[1.0000, 0.5000, 1.0000],
                [0.5000, 1.0000, 0.0000],
                [1.0000, 0.0000, 1.0000]], dtype=torch.float64)
    """
    n = len(bases)
    result = torch.empty(n, n, dtype=torch.float64)
    for rows, others in block_pairs([basis.shape[-1] for basis in bases], columns):
        one, other = ([bases[k].to(device or bases[k].device) for k in r] for r in (rows, others))
        values = _between(one, other).cpu().double()
        if rows == others:  # the two orders of summation differ in the last digit
            values = (values + values.mT) / 2
        result[rows.start : rows.stop, others.start : others.stop] = values
        result[others.start : others.stop, rows.start : rows.stop] = values.mT
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


def _between(
    one: Sequence[Float[Tensor, "d _"]], other: Sequence[Float[Tensor, "d _"]]
) -> Float[Tensor, "m n"]:
    product = torch.cat([*one], dim=-1).mT @ torch.cat([*other], dim=-1)
    i, j = (torch.tensor([u.shape[-1] for u in us], device=product.device) for us in (one, other))
    sums = _summed(_summed(product.square(), i).mT, j).mT
    return (sums / torch.minimum(i[:, None], j)).clamp(0, 1)


def _summed(values: Float[Tensor, "columns k"], widths: Tensor) -> Float[Tensor, "n k"]:
    """Sums of the rows that belong to one subspace."""
    owners = torch.arange(len(widths), device=widths.device).repeat_interleave(widths)
    return values.new_zeros(len(widths), values.shape[-1]).index_add_(0, owners, values)
