"""Numerical rank: how many singular values are more than rounding."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import RankError
from .precision import FLOAT32_EPS, working


def numerical_rank(x: Float[Tensor, "*batch m n"], eps: float | None = None) -> Tensor:
    """How many singular values exceed ``min(max(m, n), 8·min(m, n))·eps`` of the largest.

    numpy's rule, but for thin matrices, where it would take real directions for rounding: entries
    rounded to their dtype move singular values by at most ``√min(m, n)·eps/2`` of the largest,
    whatever the longer dimension, and a product of thin factors computed in that dtype moves them by
    a few times as much. A factor of 4096×8 in float32 has rank 8 up to a condition number of 1e5.

    Args:
        x: Real and finite.
        eps: By default that of the input's dtype, and float32's for shorter types, whose own would
            leave a 768-dimensional matrix no rank at all.

    Example:
        >>> numerical_rank(torch.diag(torch.tensor([1.0, 1e-3, 1e-9])))
        tensor(2)
    """
    eps = min(torch.finfo(x.dtype).eps, FLOAT32_EPS) if eps is None else eps
    s = torch.linalg.svdvals(_small_factor(working(x.detach())))
    long, short = max(x.shape[-2:]), min(x.shape[-2:])
    return (s > min(long, 8 * short) * eps * s[..., :1]).sum(-1)


def check_rank(x: Tensor, k: int, *, name: str) -> None:
    """Raise RankError unless ``1 ≤ k ≤`` the numerical rank of every matrix in the batch."""
    if k < 1:
        raise RankError(f"asked for {k} singular vectors of {name}; expected at least 1")
    rank = int(numerical_rank(x).min()) if x.numel() else 0
    if k > rank:
        shape = "x".join(map(str, x.shape[-2:]))
        raise RankError(
            f"asked for {k} singular vectors of {name}, a {shape} matrix of rank {rank}; "
            f"the vectors above the rank are arbitrary, so ask for at most {rank}"
            if rank
            else f"{name} is all zero (rank 0); it has no singular subspace to compare"
        )


def _small_factor(x: Tensor) -> Tensor:
    """A matrix with the singular values of `x` and only min(m, n)² entries."""
    tall = x if x.shape[-2] >= x.shape[-1] else x.mT
    return torch.linalg.qr(tall, mode="r").R
