"""The largest eigenvalue of a Gram operator MᵀM, by Lanczos; for norms and condition numbers."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

_SHARE = (
    8  # of the steps so far, that are taken before it is looked at again: that costs more with each
)
TWO_DIGITS = 1e-3  # of a norm's square, where two digits of the norm are enough


def largest_singular_value(
    gram: Callable[[Tensor], Tensor],
    like: Float[Tensor, "layer _ n"],
    *,
    tolerance: float,
    start: Float[Tensor, "layer n 1"] | None = None,
) -> Float[Tensor, " layer"]:
    """‖M‖₂ of each operator of a batch, given products with MᵀM on R^n.

    Lanczos with full reorthogonalisation from a fixed random vector or `start`, until what further steps
    would add is below `tolerance` in every layer, or an eigenvalue of MᵀM is within that squared. At the edge of
    a crowd, the slowest case, what is missing after k steps falls as 1/k²: it is k/2 times what the last step
    has added. The residual has to be below the root of `tolerance`, whose square the error is where the largest stands
    apart. Found from below; at the latest after n steps, when it is exact.

    Args:
        gram: (layer, n, 1) to (layer, n, 1).
        like: Its dtype and device, number of layers and n.
        tolerance: The share of ‖M‖₂² that may be missing, twice that of ‖M‖₂.
        start: Of length 1 in each layer.

    Returns:
        (layer,); infinite where the operator is not finite.

    Example:
        >>> m = torch.diag(torch.tensor([3.0, 2.0, 1.0]))[None]
        >>> round(largest_singular_value(lambda v: m.mT @ (m @ v), m, tolerance=1e-10).item(), 4)
        3.0
    """
    layers, n = like.shape[0], like.shape[-1]
    basis = v = _random_start(like) if start is None else start
    diagonal: list[Tensor] = []
    off_diagonal: list[Tensor] = []
    before, looked = torch.zeros(layers).to(like), 0
    for step in range(1, n + 1):
        w = gram(v)
        diagonal.append((v * w).sum((-2, -1)))
        for _ in range(2):  # twice is enough (Kahan and Parlett)
            w = w - basis @ (basis.mT @ w)
        beta = w.norm(dim=-2, keepdim=True)
        # Where the Krylov space is exhausted, what is left is rounding: it must not be normalised.
        rounding = n * torch.finfo(w.dtype).eps * torch.stack(diagonal).amax(0)[:, None, None]
        beta = torch.where(beta > rounding, beta, 0)
        off_diagonal.append(beta[:, 0, 0])
        if step - looked >= step // _SHARE or step == n:
            if not bool(torch.isfinite(diagonal[-1]).all()):
                return diagonal[-1].where(~torch.isfinite(diagonal[-1]), torch.inf)
            value, residual = _top_ritz(diagonal, off_diagonal)
            missing = (value - before) / (step - looked) * step / 2
            settled = (missing <= tolerance * value) & (residual <= tolerance**0.5 * value)
            settled |= residual <= tolerance**2 * value
            if step == n or bool(settled.all()):
                return value.sqrt()
            before, looked = value, step
        v = torch.where(beta > 0, w / beta, 0)
        basis = torch.cat([basis, v], dim=-1)
    raise AssertionError("unreachable: the last step returns")


def _random_start(like: Float[Tensor, "layer _ n"]) -> Float[Tensor, "layer n 1"]:
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(like.shape[-1], 1, generator=generator, dtype=torch.float64)
    return (start / start.norm()).to(like).expand(len(like), -1, 1)


def _top_ritz(diagonal: list[Tensor], off_diagonal: list[Tensor]) -> tuple[Tensor, Tensor]:
    main, off = torch.stack(diagonal, -1), torch.stack(off_diagonal, -1)
    tridiagonal = torch.diag_embed(main)
    if main.shape[-1] > 1:
        tridiagonal = (
            tridiagonal + torch.diag_embed(off[..., :-1], 1) + torch.diag_embed(off[..., :-1], -1)
        )
    values, vectors = torch.linalg.eigh(tridiagonal)
    return values[..., -1], off[..., -1] * vectors[..., -1, -1].abs()
