"""W0 factored once, and screened for singularity with a few solves."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .solvers import PseudoInverseSolver, Solver, SquareSolver, TallSolver, Transposed

_PROBES = 4
_SAFETY = 1e-2  # of the cut-off's reciprocal: from here on the screen is not relied on


@dataclass(frozen=True)
class Factored:
    """W0 of several layers, factored.

    Attributes:
        solver: Solves with all layers at once.
        rank: (layer,) numerical rank under the cut-off.
        cutoff: Singular values below ``cutoff·σ_max`` count as zero.
        inverse_norm: (layer,) ‖W0⁺‖₂ or a little less.
        w0: (layer, out, in) What was factored.
        condition: (layer,) inverse_norm times the norm of W0's longest row: a lower bound of the
            condition number, mostly within a small factor of it.
    """

    solver: Solver
    rank: Int[Tensor, " layer"]
    cutoff: float
    inverse_norm: Float[Tensor, " layer"]
    condition: Float[Tensor, " layer"]
    w0: Float[Tensor, "layer out in"]


def factor(w0: Float[Tensor, "layer out in"], cutoff: float) -> Factored:
    """Factor W0 for `Solver`: LU if square, QR if not, the SVD where one is singular under `cutoff`.

    Singularity is screened for with a few solves, and only a W0 that comes near it is decomposed.

    Args:
        w0: As PyTorch stores it, in the dtype to compute in (float64).
        cutoff: From `lora_lens.core.precision.singular_cutoff`.
    """
    solver, core, core_solver = full_rank_solver(w0)
    rank = torch.full((len(w0),), min(w0.shape[-2:]), device=w0.device)
    inverse_norm = _inverse_norm(core, core_solver)
    longest_row = core.norm(dim=-1).amax(-1)  # at most ‖W0‖₂
    condition = inverse_norm * longest_row
    if bool((condition < _SAFETY / cutoff).all()):  # not so where one is NaN
        return Factored(solver, rank, cutoff, inverse_norm, condition, w0)
    u, s, vh = torch.linalg.svd(w0, full_matrices=False)
    kept = s > cutoff * s[..., :1]
    if bool(kept.all()):
        return Factored(solver, rank, cutoff, inverse_norm, condition, w0)
    s = s.where(kept, torch.inf)
    inverse_norm = 1 / s.amin(-1)
    condition = inverse_norm * longest_row
    return Factored(
        PseudoInverseSolver(u, s, vh), kept.sum(-1), cutoff, inverse_norm, condition, w0
    )


def _inverse_norm(core: Tensor, solver: Solver) -> Tensor:
    """‖W0⁻¹‖₂ from below: a step of power iteration on a few random vectors."""
    n = core.shape[-1]
    generator = torch.Generator().manual_seed(0)
    x = (
        torch.randn(n, _PROBES, generator=generator, dtype=torch.float64)
        .to(core)
        .expand(len(core), -1, -1)
    )
    y = solver.solve(x)
    x = solver.solve_transposed(y / y.norm(dim=-2, keepdim=True))
    return x.norm(dim=-2).amax(-1)


def full_rank_solver(w0: Tensor) -> tuple[Solver, Tensor, Solver]:
    """The solver, and a square matrix with W0's singular values together with its own solver."""
    rows, columns = w0.shape[-2:]
    if rows == columns:
        square = SquareSolver(*torch.linalg.lu_factor_ex(w0)[:2])
        return square, w0, square
    tall = TallSolver(*torch.linalg.qr(w0 if rows > columns else w0.mT))
    eye = torch.eye(min(rows, columns), dtype=w0.dtype, device=w0.device).expand_as(tall.r)
    return (tall if rows > columns else Transposed(tall)), tall.r, TallSolver(eye, tall.r)
