"""The largest eigenvalue of a Gram operator MᵀM, by Lanczos; for norms and condition numbers."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

_EACH = 16  # steps after which the residual is looked at less often: it costs more with each


def largest_singular_value(
    gram: Callable[[Tensor], Tensor],
    like: Float[Tensor, "layer _ n"],
    *,
    tolerance: float,
    start: Float[Tensor, "layer n 1"] | None = None,
) -> Float[Tensor, " layer"]:
    """‖M‖₂ of each operator of a batch, given products with MᵀM on R^n.

    Lanczos with full reorthogonalisation from a fixed random vector or `start`, until every layer's relative
    residual is below `tolerance`, so that an eigenvalue of MᵀM is no further than that from what is
    found, and it is most likely the largest: the last step has raised it by less than an eighth of
    `tolerance`, or the residual is below that squared. It is found from below, with an error of about the residual's square
    where it stands apart; at the latest after n steps, when it is exact.

    Args:
        gram: (layer, n, 1) to (layer, n, 1).
        like: Its dtype and device, number of layers and n.
        tolerance: Of the relative residual.
        start: Of length 1 in each layer.

    Returns:
        (layer,); infinite where the operator is not finite.

    Example:
        >>> m = torch.diag(torch.tensor([3.0, 2.0, 1.0]))[None]
        >>> round(largest_singular_value(lambda v: m.mT @ (m @ v), m, tolerance=1e-5).item(), 4)
        3.0
    """
    layers, n = like.shape[0], like.shape[-1]
    basis = v = _random_start(like) if start is None else start
    diagonal: list[Tensor] = []
    off_diagonal: list[Tensor] = []
    before = torch.zeros(layers).to(like)
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
        if step <= _EACH or step % 8 == 0 or step == n:
            if not bool(torch.isfinite(diagonal[-1]).all()):
                return diagonal[-1].where(~torch.isfinite(diagonal[-1]), torch.inf)
            value, residual = _top_ritz(diagonal, off_diagonal)
            steady = value - before <= tolerance / 8 * value
            settled = steady & (residual <= tolerance * value) | (residual <= tolerance**2 * value)
            if step == n or bool(settled.all()):
                return value.sqrt()
            before = value
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
