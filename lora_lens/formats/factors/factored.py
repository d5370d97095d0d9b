"""A dense ΔW → two factors, to rounding: which rank was kept, and with what relative error."""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Float

from ...arrays import Tensor
from ...updates import Factor, made

_TOLERANCE = 2e-7  # of ‖ΔW‖: what PEFT rounds in float32 is no rank
_WIDTHS = (64, 256, 1024)


class Factored(NamedTuple):
    """One layer's ΔW as two factors.

    Attributes:
        a, b: (rank, in) and (out, rank).
        shape: Of ΔW.
        error: ‖ΔW − B·A‖ / ‖ΔW‖; 0 where ΔW is.
    """

    a: Factor
    b: Factor
    shape: tuple[int, int]
    error: float


def factored(delta: Float[Tensor, "out in"], path: str) -> Factored:
    """Two factors of ΔW, to rounding; what singular values leave is measured."""
    import torch

    norm = float(torch.linalg.matrix_norm(delta))
    shape = (int(delta.shape[0]), int(delta.shape[1]))
    if not norm > 0:  # NaN too, which the check of all factors finds
        b, a = delta[:, :1].float(), delta[:1].float()
        return Factored(made(f"A of {path}", a), made(f"B of {path}", b), shape, 0.0)
    u, s, vh = thin_svd(delta, norm)
    left = torch.sqrt(torch.flip(torch.cumsum(torch.flip(s * s, [0]), 0), [0]))
    rank = max(1, int((left > _TOLERANCE * norm).sum()))
    root = s[:rank].sqrt()
    b, a = (u[:, :rank] * root).float(), (root[:, None] * vh[:rank]).float()
    error = float(torch.linalg.matrix_norm(delta - b.double() @ a.double())) / norm
    return Factored(made(f"A of {path}", a), made(f"B of {path}", b), shape, error)


def thin_svd(delta: Tensor, norm: float) -> tuple[Tensor, Tensor, Tensor]:
    """Thin SVD; of a matrix of low rank by a random range that is found to hold all of it, which is quicker."""
    import torch

    generator = torch.Generator().manual_seed(0)
    for width in _WIDTHS:
        if 4 * width > min(delta.shape):
            break
        probe = torch.randn(delta.shape[1], width, generator=generator, dtype=delta.dtype)
        q, _ = torch.linalg.qr(delta @ probe)
        inside = q.mT @ delta
        if float(torch.linalg.matrix_norm(delta - q @ inside)) <= 0.1 * _TOLERANCE * norm:
            u, s, vh = torch.linalg.svd(inside, full_matrices=False)
            return q @ u, s, vh
    u, s, vh = torch.linalg.svd(delta, full_matrices=False)
    return u, s, vh
