"""Leading eigenvectors and singular vectors: of a small matrix all, of a large one by subspace iteration."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from ..computing.lapack import leading_eigenvectors_of

_SMALL = 128  # a matrix of which all vectors cost nothing
_DENSE = 512  # one of which all eigenvectors cost little beside the rest, on a card
REDUCED = 2048  # one whose leading ones, of its tridiagonal form, cost no more than the rounds
_ROUNDS = 16


def shared_directions(gram: Float[Tensor, "d d"], most: int) -> Float[Tensor, "d k"]:
    """The directions that hold the most of a sum's energy, best first (Ky Fan 1949).

    Above d = 2048, and on a card above 512, by subspace iteration from a fixed start: where the energy falls slowly off, what they hold is
    less than the most by what sixteen rounds leave, 0.3 % for 32 of 2048 among 4096 random rows.

    Args:
        gram: Symmetric, positive semi-definite.
        most: How many, d at most.

    Returns:
        Orthonormal columns.

    Example:
        >>> gram = torch.diag(torch.tensor([1.0, 5.0, 3.0]))
        >>> shared_directions(gram, 2).abs().round().mT
        tensor([[0., 1., 0.],
                [0., 0., 1.]])
    """
    most = min(most, gram.shape[-1])
    on_cpu = gram.device.type == "cpu"
    if len(gram) <= (_SMALL if on_cpu else _DENSE):
        return torch.linalg.eigh(gram).eigenvectors[:, -most:].flip(-1)
    if len(gram) <= REDUCED and on_cpu:
        return torch.from_numpy(leading_eigenvectors_of(gram.numpy(), most).copy())
    generator = torch.Generator().manual_seed(0)
    width = min(2 * most + 16, len(gram))
    q = torch.randn(len(gram), width, generator=generator, dtype=torch.float64).to(gram)
    for _ in range(_ROUNDS):
        q = torch.linalg.qr(gram @ q).Q
    turn = torch.linalg.eigh(q.mT @ gram @ q).eigenvectors[:, -most:].flip(-1)
    return q @ turn


def leading_pair(
    matrix: Float[Tensor, "out in"],
    k: int,
    rounds: int = 6,
    *,
    start: Float[Tensor, "in n"] | None = None,
) -> tuple[Float[Tensor, "out k"], Float[Tensor, "in k"]]:
    """Nearly the k leading singular vectors of both sides, by subspace iteration from a fixed start.

    Of a matrix whose singular values fall slowly the subspace is not the very best one, which no use
    of it as a fixed subspace minds.

    Args:
        matrix: In the dtype to compute in.
        k: How many of each side; the smaller side at most.
        rounds: Of the iteration, above 128 × 128.
        start: Columns that it begins with, 2k + 8 of them or more, as where the matrix is in coordinates that say nothing; drawn by default.

    Returns:
        Orthonormal columns of each side, largest singular value first.

    Example:
        >>> matrix = torch.tensor([[0.0, 0.0, -3.0], [1.0, 0.0, 0.0]])
        >>> u, v = leading_pair(matrix, 1)
        >>> u.abs().round().ravel(), v.abs().round().ravel(), (u.mT @ matrix @ v).round()
        (tensor([1., 0.]), tensor([0., 0., 1.]), tensor([[3.]]))
    """
    out, into = matrix.shape
    k = min(k, out, into)
    if min(out, into) <= _SMALL:
        u, _, vh = torch.linalg.svd(matrix, full_matrices=False)
        return u[:, :k], vh[:k].mT
    generator = torch.Generator().manual_seed(0)
    width = min(2 * k + 8, out, into)
    drawn = (
        torch.randn(into, width, generator=generator, dtype=torch.float64)
        if start is None
        else start[:, :width]
    )
    v = drawn.to(matrix)
    for _ in range(rounds):
        # Householder's QR finds small columns beside large ones as well as among their like: v need not be orthonormal.
        u = torch.linalg.qr(matrix @ v).Q
        v = matrix.mT @ u
    q, r = torch.linalg.qr(v)
    turn, _, turned = torch.linalg.svd(r)
    return u @ turned.mT[:, :k], q @ turn[:, :k]
