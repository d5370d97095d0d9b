"""Conversion matrices W0⁻¹Aᵀ and W0⁻¹B: factor W0 once, solve for many right-hand sides.

Kim et al. 2024, Eq. 3 and 4. No inverse is ever formed: at condition 1e4 in float32, ``inv(W) @ T``
is off by 1.7e-3 where a solve is off by 1.8e-4; here everything is float64.

Two conventions (`Convention`):

============== ====================== ============== ===============================================
convention     A                      B              for
============== ====================== ============== ===============================================
``stored``     ``W0 X = Aᵀ``          ``W0 X = B``   square, invertible W0; the authors' code
``consistent`` ``W0ᵀ X = Aᵀ``         ``W0 X = B``   any W0, by the pseudo-inverse; as Eq. 5 and 6
============== ====================== ============== ===============================================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..errors import SingularError
from .blocked import GaussianSolver, blocked
from .lanczos import largest_singular_value
from .subspace import FLOAT32_EPS, working

Convention = Literal["stored", "consistent"]
_PROBES = 4
_ROUNDED = 1e5
_SAFETY = 1e-2  # of the cut-off's reciprocal: from here on the screen is not relied on


@runtime_checkable
class Solver(Protocol):
    """Least-squares, least-norm solutions with one factored W0 (or a batch of them)."""

    def solve(self, rhs: Float[Tensor, "*batch out k"]) -> Float[Tensor, "*batch in k"]:
        """X = W0⁺ rhs."""

    def solve_transposed(self, rhs: Float[Tensor, "*batch in k"]) -> Float[Tensor, "*batch out k"]:
        """X = (W0ᵀ)⁺ rhs."""


@dataclass(frozen=True)
class SquareSolver:
    """LU of a square W0."""

    lu: Tensor
    pivots: Tensor

    def solve(self, rhs: Tensor) -> Tensor:
        return torch.linalg.lu_solve(self.lu, self.pivots, rhs)

    def solve_transposed(self, rhs: Tensor) -> Tensor:
        return torch.linalg.lu_solve(self.lu, self.pivots, rhs, adjoint=True)


@dataclass(frozen=True)
class TallSolver:
    """QR of a W0 with at least as many rows as columns and full column rank."""

    q: Tensor
    r: Tensor

    def solve(self, rhs: Tensor) -> Tensor:
        return torch.linalg.solve_triangular(self.r, self.q.mT @ rhs, upper=True)

    def solve_transposed(self, rhs: Tensor) -> Tensor:
        return self.q @ torch.linalg.solve_triangular(self.r.mT, rhs, upper=False)


@dataclass(frozen=True)
class Transposed:
    """The solver of W0ᵀ, used the other way round."""

    other: Solver

    def solve(self, rhs: Tensor) -> Tensor:
        return self.other.solve_transposed(rhs)

    def solve_transposed(self, rhs: Tensor) -> Tensor:
        return self.other.solve(rhs)


@dataclass(frozen=True)
class PseudoInverseSolver:
    """Moore-Penrose solutions of a rank-deficient W0 from its SVD; cut-off singular values are inf."""

    u: Tensor
    s: Tensor
    vh: Tensor

    def solve(self, rhs: Tensor) -> Tensor:
        return self.vh.mT @ ((self.u.mT @ rhs) / self.s[..., None])

    def solve_transposed(self, rhs: Tensor) -> Tensor:
        return self.u @ ((self.vh @ rhs) / self.s[..., None])


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


def singular_cutoff(stored: torch.dtype, computing: torch.dtype, shape: tuple[int, int]) -> float:
    """The share of σ_max below which a singular value of W0 is only rounding.

    float32's resolution 1.2e-7 for W0 stored in, or computed with, float32 or shorter;
    ``max(out, in)·2.2e-16`` where both are float64.
    """
    if stored == computing == torch.float64:
        return max(shape) * torch.finfo(torch.float64).eps
    return FLOAT32_EPS


def factor(w0: Float[Tensor, "layer out in"], cutoff: float) -> Factored:
    """Factor W0 for `Solver`: LU if square, QR if not, the SVD where one is singular under `cutoff`.

    Singularity is screened for with a few solves, and only a W0 that comes near it is decomposed.

    Args:
        w0: As PyTorch stores it, in the dtype to compute in (float64).
        cutoff: From `singular_cutoff`.
    """
    solver, core, core_solver = _full_rank_solver(w0)
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


class LayerSolver(NamedTuple):
    """One layer's solver, as a batch of one, and the dtype of its right-hand sides."""

    solver: Solver
    dtype: torch.dtype


def rounded_solver(factored: Factored, position: int) -> LayerSolver:
    """One layer's solver for the many right-hand sides of a null: float32 where that is accurate enough.

    Up to an estimated condition of 1e5 it is: φ of a draw is off by less than 2e-3, at random, which
    is far below its deviation, and the mean over draws by less than 1e-4. Above that the factors'
    own dtype stays.
    """
    solver = _mapped(factored.solver, lambda tensor: tensor[position : position + 1])
    if not bool(factored.condition[position] <= _ROUNDED):  # NaN is not
        return LayerSolver(solver, factored.inverse_norm.dtype)
    if isinstance(solver, SquareSolver):
        return LayerSolver(blocked(solver.lu[0], solver.pivots[0]), torch.float32)
    return LayerSolver(_mapped(solver, Tensor.float), torch.float32)


def gaussian_solver(factored: Factored, position: int) -> LayerSolver:
    """As `rounded_solver`, for right-hand sides that are Gaussian, and right in law alone."""
    if isinstance(factored.solver, SquareSolver) and bool(factored.condition[position] <= _ROUNDED):
        return LayerSolver(GaussianSolver(factored.w0[position]), torch.float32)
    return rounded_solver(factored, position)


def _mapped(solver: Solver, change: Callable[[Tensor], Tensor]) -> Solver:
    """The solver with each of its tensors changed."""
    parts = (getattr(solver, field.name) for field in fields(solver))  # type: ignore[arg-type]
    return type(solver)(
        *(change(part) if isinstance(part, Tensor) else _mapped(part, change) for part in parts)
    )


def condition_number(w0: Float[Tensor, "layer out in"], cutoff: float) -> Float[Tensor, " layer"]:
    """σ_max/σ_min over the min(out, in) singular values of each W0; inf below `cutoff`.

    By Golub-Kahan-Lanczos on W0 and on its factored inverse, to about ten digits.
    """
    _, core, core_solver = _full_rank_solver(w0)
    sigma_max = largest_singular_value(lambda v: core @ v, lambda v: core.mT @ v, core)
    inverse_norm = largest_singular_value(core_solver.solve, core_solver.solve_transposed, core)
    condition = sigma_max * inverse_norm
    return torch.where(condition <= 1 / cutoff, condition, torch.inf)


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


def _full_rank_solver(w0: Tensor) -> tuple[Solver, Tensor, Solver]:
    """The solver, and a square matrix with W0's singular values together with its own solver."""
    rows, columns = w0.shape[-2:]
    if rows == columns:
        square = SquareSolver(*torch.linalg.lu_factor_ex(w0)[:2])
        return square, w0, square
    tall = TallSolver(*torch.linalg.qr(w0 if rows > columns else w0.mT))
    eye = torch.eye(min(rows, columns), dtype=w0.dtype, device=w0.device).expand_as(tall.r)
    return (tall if rows > columns else Transposed(tall)), tall.r, TallSolver(eye, tall.r)


class ConversionMatrices(NamedTuple):
    """The conversion matrices of A and of B, and how well W0 is conditioned.

    ``a`` is (..., in, r) under ``stored`` and (..., out, r) under ``consistent``; ``b`` is
    (..., in, r). That of the product, W0⁻¹BA, is ``b @ A``: keep it factored.
    """

    a: Float[Tensor, "*batch d r"]
    b: Float[Tensor, "*batch in r"]
    condition_number: Float[Tensor, "*batch"]


def conversion_matrices(
    w0: Float[Tensor, "*batch out in"],
    a: Float[Tensor, "*batch r in"],
    b: Float[Tensor, "*batch out r"],
    *,
    convention: Convention = "stored",
) -> ConversionMatrices:
    """What turns W0 into A and into B: W0⁻¹Aᵀ (or W0⁻ᵀAᵀ) and W0⁻¹B (Kim et al. 2024, Eq. 3, 4).

    Args:
        w0: Frozen weights as PyTorch stores them.
        a: LoRA's A.
        b: LoRA's B.
        convention: ``stored`` or ``consistent``; see the module's docstring.

    Returns:
        Both in float64, by the Moore-Penrose solution where W0 is rectangular or, under the cut-off
        of `singular_cutoff`, rank-deficient (its condition number is then infinite).

    Raises:
        SingularError: W0 is not square under ``stored``.

    Example:
        >>> w0, a, b = torch.eye(3) * 2, torch.ones(1, 3), torch.ones(3, 1)
        >>> conversion_matrices(w0, a, b).b.T
        tensor([[0.5000, 0.5000, 0.5000]], dtype=torch.float64)
    """
    shape = tuple(w0.shape[-2:])
    if convention == "stored" and shape[0] != shape[1]:
        raise SingularError(
            f"W0 is {shape[0]}x{shape[1]}; 'stored' needs it square: use 'consistent'"
        )
    batch = w0.shape[:-2]
    layers = working(w0).reshape(-1, *shape)
    factored = factor(layers, singular_cutoff(w0.dtype, layers.dtype, (shape[0], shape[1])))
    flat_a, flat_b = (working(t).reshape(-1, *t.shape[-2:]) for t in (a, b))
    found_a, found_b = convert(factored.solver, flat_a, flat_b, convention)
    return ConversionMatrices(
        found_a.reshape(*batch, *found_a.shape[-2:]),
        found_b.reshape(*batch, *found_b.shape[-2:]),
        condition_number(layers, factored.cutoff).reshape(batch),
    )


def convert(
    solver: Solver,
    a: Float[Tensor, "*batch r in"],
    b: Float[Tensor, "*batch out r"],
    convention: Convention,
) -> tuple[Float[Tensor, "*batch d r"], Float[Tensor, "*batch in r"]]:
    """The conversion matrices of A and B (Eq. 3 and 4); under ``stored`` in one solve."""
    if convention == "consistent":
        return solver.solve_transposed(a.mT), solver.solve(b)
    x, y = solver.solve(torch.cat([a.mT, b], dim=-1)).tensor_split([a.shape[-2]], dim=-1)
    return x, y
