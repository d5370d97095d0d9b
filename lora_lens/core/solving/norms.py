"""Norms of W0 and of its inverse by Lanczos: what a condition number is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from .lanczos import leading
from .refined import REFINABLE, RefinedSolver
from .solvers import Solver

_ROWS = 256  # of W0 at once: 4096 columns in float32 are 4 MB, which a cache holds

_ROUNDED = 5e6  # of the condition number times the width: up to here float32 moves the least singular values by half a percent


class InverseNorm(NamedTuple):
    """‖W0⁺‖₂ of each layer, and the share of what it magnifies most that rounding W0 had moved.

    Zero where the solver is W0's own, or so well-conditioned that it was not asked for; infinite where W0 is so
    ill-conditioned that it was not.
    """

    norm: Float[Tensor, " layer"]
    moved: Float[Tensor, " layer"]


def inverse_norm_of(
    solver: Solver, w0: Float[Tensor, "layer out in"], tolerance: float
) -> InverseNorm:
    """‖W0⁺‖₂ by Lanczos, with the solver of W0; infinite where what it solves is not finite.

    A float32 LU is that of another matrix: of many singular values that are alike its least is 13 % less at a width of 1024 and a
    condition of 9e4, and 31 % at 2048. So the six directions that its inverse magnifies most are magnified again, with a residual of W0's
    own. Of those W0's inverse may magnify others more, where many values lie near the least: as long as the
    residual moves a twentieth at most, by 1.5 %.

    Args:
        solver: Solves with W0.
        w0: Its dtype, device and shape.
        tolerance: As of `lora_lens.core.solving.lanczos.largest_singular_value`.

    Example:
        >>> from lora_lens.core.solving.lu import packed_lu
        >>> from lora_lens.core.solving.solvers import SquareSolver
        >>> w0 = torch.diag(torch.tensor([4.0, 0.5], dtype=torch.float64))[None]
        >>> round(inverse_norm_of(SquareSolver(*packed_lu(w0)), w0, 1e-10).norm.item(), 6)
        2.0
    """
    turned = w0.mT if w0.shape[-2] < w0.shape[-1] else w0
    norm, directions = leading(_inverse_gram(solver, w0), turned, tolerance=tolerance)
    if not isinstance(solver, RefinedSolver):
        return InverseNorm(norm, torch.zeros_like(norm))
    bound = norm * w0.norm(dim=-1).amax(-1)  # on the condition number, from below
    hopeless, rounded = ~(bound < REFINABLE), bound * w0.shape[-1] > _ROUNDED
    moved = torch.zeros_like(norm).masked_fill(hopeless, torch.inf)
    asked = rounded & ~hopeless
    if not bool(asked.any()):
        return InverseNorm(norm, moved)
    magnified = solver.corrected(directions.double())
    own = torch.linalg.matrix_norm(magnified.x.where(asked[:, None, None], 0), 2).to(norm)
    return InverseNorm(own.where(asked, norm), magnified.moved.to(norm).where(asked, moved))


def _inverse_gram(solver: Solver, w0: Tensor) -> Callable[[Tensor], Tensor]:
    """v → W0⁺W0⁺ᵀv, or of W0ᵀ where W0 is wide."""
    inner, outer = solver.solve_transposed, solver.solve
    if w0.shape[-2] < w0.shape[-1]:
        inner, outer = outer, inner
    return lambda v: outer(inner(v))


def gram(w0: Tensor | Sequence[Tensor]) -> Callable[[Tensor], Tensor]:
    """v → W0ᵀW0v, reading W0 once: each block of rows is used twice while it is in the cache.

    Args:
        w0: Of all layers; or the layers as stored, of which the products are in float32.

    Example:
        >>> twice = gram(torch.tensor([[[3.0, 0.0], [0.0, 2.0]]]))
        >>> twice(torch.tensor([[[1.0], [1.0]]])).ravel()
        tensor([9., 4.])
    """
    if isinstance(w0, Tensor) and w0.device.type != "cpu":
        return lambda v: w0.mT @ (w0 @ v)
    # Layer by layer: a library's product of a batch of matrices with few vectors each is several times slower.
    layers = [layer.split(_ROWS) for layer in w0]
    dtype = w0.dtype if isinstance(w0, Tensor) else torch.float32

    def apply(v: Tensor) -> Tensor:
        # A vector a row: a library's product with few columns is as slow as one with many.
        rows = v.mT.to(dtype).contiguous()
        products = torch.zeros_like(rows)
        for blocks, row, product in zip(layers, rows, products, strict=True):
            for stored in blocks:
                block = stored.to(dtype)
                product.addmm_(row @ block.mT, block)
        return products.mT.to(v)

    return apply
