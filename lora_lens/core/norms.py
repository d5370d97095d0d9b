"""Norms of W0 and of its inverse by Lanczos: what a condition number is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from .lanczos import largest_singular_value, leading
from .refined import REFINABLE, RefinedSolver
from .solvers import Solver

_ROWS = 256  # of W0 at once: 4096 columns in float32 are 4 MB, which a cache holds

_ROUNDED = 5e3  # of ‖W0⁻¹‖₂ times the longest row: up to here float32 moves the least singular values by a percent
_ENOUGH = 1e-3  # error of a solution that a norm to two digits is taken of


class Norms(NamedTuple):
    """‖W0‖₂ and ‖W0⁻¹‖₂ of each layer."""

    own: Float[Tensor, " layer"]
    inverse: Float[Tensor, " layer"]


def norms_of(solver: Solver, w0: Float[Tensor, "layer n n"], tolerance: float) -> Norms:
    """Both at once, with the solver of W0: of narrow ones a step costs more than its products, and half as many are taken.

    Args:
        solver, w0, tolerance: As of `inverse_norm_of`.

    Example:
        >>> from lora_lens.core.lu import packed_lu
        >>> from lora_lens.core.solvers import SquareSolver
        >>> w0 = torch.diag(torch.tensor([4.0, 0.5], dtype=torch.float64))[None]
        >>> norms = norms_of(SquareSolver(*packed_lu(w0)), w0, 1e-10)
        >>> round(norms.own.item(), 6), round(norms.inverse.item(), 6)
        (4.0, 2.0)
    """
    layers = len(w0)
    once, inverse = gram(w0), _inverse_gram(solver, w0)
    found = largest_singular_value(
        lambda v: torch.cat([once(v[:layers]), inverse(v[layers:])]),
        w0.new_empty(2 * layers, 0, w0.shape[-1]),
        tolerance=tolerance,
    )
    return Norms(found[:layers], found[layers:])


def inverse_norm_of(
    solver: Solver, w0: Float[Tensor, "layer out in"], tolerance: float
) -> Float[Tensor, " layer"]:
    """‖W0⁺‖₂ by Lanczos, with the solver of W0; infinite where what it solves is not finite.

    Of a float32 LU that is the norm of the rounded W0's inverse: of many singular values that are alike rounding makes the least a
    seventh less at a condition of 1e5. So, from a condition of some 1e4 on, the six directions that it magnifies most
    are magnified again with a residual of W0's own.

    Args:
        solver: Solves with W0.
        w0: Its dtype, device and shape.
        tolerance: As of `lora_lens.core.lanczos.largest_singular_value`.

    Example:
        >>> from lora_lens.core.lu import packed_lu
        >>> from lora_lens.core.solvers import SquareSolver
        >>> w0 = torch.diag(torch.tensor([4.0, 0.5], dtype=torch.float64))[None]
        >>> round(inverse_norm_of(SquareSolver(*packed_lu(w0)), w0, 1e-10).item(), 6)
        2.0
    """
    turned = w0.mT if w0.shape[-2] < w0.shape[-1] else w0
    norm, directions = leading(_inverse_gram(solver, w0), turned, tolerance=tolerance)
    if not isinstance(solver, RefinedSolver):
        return norm
    # Above, where a residual may not lead to it, W0 is factored anew.
    bound = norm * w0.norm(dim=-1).amax(-1)  # on the condition number, from below
    rounded = (bound > _ROUNDED) & (bound < REFINABLE)
    if not bool(rounded.any()):
        return norm
    directions = directions.where(rounded[:, None, None], 0).double()
    magnified = solver.solve_transposed_to(directions, _ENOUGH)
    return torch.linalg.matrix_norm(magnified, 2).to(norm).where(rounded, norm)


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
