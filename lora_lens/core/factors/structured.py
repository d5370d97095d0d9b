"""Structured matrices as two factors, exactly: sums over a core, element-wise and Kronecker products.

A *pair* is (B, A), (out, rank) and (rank, in), of the matrix B·A. Convolutions are their matrices, out ×
in·height·width.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

Pair = tuple[Float[Any, "_ _"], Float[Any, "_ _"]]


def of_core(
    up: Float[Any, "out p"],
    core: Float[Any, "p q ..."],
    down: Float[Any, "q in"],
) -> Pair:
    """A Tucker decomposition, ``Σ up[o, p]·core[p, q, …]·down[q, i]``, as a pair of rank p.

    Example:
        >>> one = np.eye(2)
        >>> b, a = of_core(one, np.ones((2, 2, 3, 3)), one)
        >>> b.shape, a.shape
        ((2, 2), (2, 18))
    """
    spread = np.einsum("pq...,qi->pi...", core, down)
    return up, spread.reshape(len(core), -1)


def hadamard(first: Pair, second: Pair) -> Pair:
    """The element-wise product of two matrices as a pair of rank r₁·r₂, or of the smaller side if that is less.

    Example:
        >>> b, a = hadamard((np.ones((2, 1)), np.eye(2)[:1]), (np.eye(2), np.ones((2, 2))))
        >>> (b @ a).tolist()
        [[1.0, 0.0], [1.0, 0.0]]
    """
    (b1, a1), (b2, a2) = first, second
    if b1.shape[1] * b2.shape[1] > min(len(b1), a1.shape[1]):  # larger than the matrix itself
        return whole((b1 @ a1) * (b2 @ a2))
    b = (b1[:, :, None] * b2[:, None, :]).reshape(len(b1), -1)
    a = (a1[:, None, :] * a2[None, :, :]).reshape(-1, a1.shape[1])
    return b, a


def kronecker(first: Pair, second: Pair) -> Pair:
    """The Kronecker product of two matrices as a pair of rank r₁·r₂: that of their factors.

    Example:
        >>> b, a = kronecker(whole(np.eye(2)), whole(np.ones((2, 3))))
        >>> b.shape, a.shape
        ((4, 4), (4, 6))
    """
    (b1, a1), (b2, a2) = at_most_square(first), at_most_square(second)
    return np.kron(b1, b2), np.kron(a1, a2)


def whole(matrix: Float[Any, "rows columns"]) -> Pair:
    """A matrix as a pair of the smaller of its sides: itself and the identity.

    Example:
        >>> b, a = whole(np.arange(6.0).reshape(2, 3))
        >>> b.tolist()
        [[1.0, 0.0], [0.0, 1.0]]
        >>> b, a = whole(np.arange(6.0).reshape(3, 2))
        >>> a.tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    rows, columns = matrix.shape
    return (np.eye(rows), matrix) if rows <= columns else (matrix, np.eye(columns))


def at_most_square(pair: Pair) -> Pair:
    """The same matrix with a rank that is not above either of its sides.

    Example:
        >>> b, a = at_most_square((np.ones((2, 3)), np.ones((3, 4))))
        >>> b.shape, (b @ a).tolist()
        ((2, 2), [[3.0, 3.0, 3.0, 3.0], [3.0, 3.0, 3.0, 3.0]])
    """
    b, a = pair
    return pair if b.shape[1] <= min(len(b), a.shape[1]) else whole(b @ a)
