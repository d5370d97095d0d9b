"""W0 factored once, and screened for singularity with a few solves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..numbers.scaled import of_order_one
from .lanczos import TWO_DIGITS, largest_singular_value
from .lu import packed_lu
from .norms import InverseNorm, gram, inverse_norm_of
from .refined import FROM, refined
from .solvers import PseudoInverseSolver, Solver, SquareSolver, TallSolver, Transposed, mapped

Dearer = Literal["float64", "decomposed"]
_PROBES = 4
_SAFETY = 1e-2  # of the cut-off's reciprocal: from here on the screen is not relied on
_MOVED = 0.05  # of a solution, by rounding W0, above which refinement is slow and a norm has no two digits
_MARGIN = 0.5  # of the same, for a condition number to two digits: from here on the SVD decides


@dataclass(frozen=True)
class Factored:
    """W0 of several layers, factored.

    Attributes:
        solver: Solves with all layers at once.
        rank: (layer,) numerical rank under the cut-off.
        cutoff: Singular values below ``cutoff·σ_max`` count as zero.
        inverse_norm: (layer,) ‖W0⁺‖₂ or a little less, to two digits of a refined one; with a ridge, the norm of what
            `converting` does.
        w0: (layer, out, in) What was factored: W0 in float64, or in float32 where that holds it exactly.
        condition: (layer,) inverse_norm times the norm of W0's longest row: a lower bound of the
            condition number, mostly within a small factor of it. With a ridge, how much of ‖W0‖₂ is
            magnified likewise, which is less.
        stored: Its layers in the dtype of the file, where they are at hand on the CPU: a product with
            them reads less memory.
        ridged: What converts instead of W0's own solver where there is a ridge.
    """

    solver: Solver
    rank: Int[Tensor, " layer"]
    cutoff: float
    inverse_norm: Float[Tensor, " layer"]
    condition: Float[Tensor, " layer"]
    w0: Float[Tensor, "layer out in"]
    stored: Sequence[Tensor] = ()
    ridged: Solver | None = None

    @property
    def converting(self) -> Solver:
        """What makes conversion matrices of factors: W0's own solver, or the ridge's."""
        return self.ridged or self.solver


def factoring_dtype(
    shape: tuple[int, int], stored: torch.dtype, computing: torch.dtype
) -> torch.dtype:
    """What `factor` takes W0 in: float32 where that holds it exactly and refinement pays.

    Args:
        shape: W0's, (out, in).
        stored: Its dtype in its file.
        computing: That of the solutions.

    Example:
        >>> factoring_dtype((1024, 1024), torch.bfloat16, torch.float64)
        torch.float32
        >>> factoring_dtype((1024, 768), torch.bfloat16, torch.float64)
        torch.float64
    """
    wide = shape[0] == shape[1] >= FROM
    return torch.float32 if wide and stored != torch.float64 else computing


def factor(
    w0: Float[Tensor, "layer out in"],
    cutoff: float,
    computing: torch.dtype | None = None,
    dearer: Callable[[Dearer], None] = lambda _: None,
    room: Tensor | None = None,
) -> Factored:
    """Factor W0 for `Solver`: LU if square, QR if not, the SVD where one is singular under `cutoff`.

    Singularity is screened for with a few solves; a W0 that may come near it is asked for its condition number by
    Lanczos, and decomposed only where that leaves a doubt.

    Args:
        w0: As PyTorch stores it, in the dtype to compute in (float64), or in `factoring_dtype`.
        cutoff: From `lora_lens.core.numbers.precision.singular_cutoff`.
        computing: Of the solutions; by default W0's. Float64 ones of a square W0 in float32 come by refinement
            (`lora_lens.core.solving.refined`) up to a condition of 1e5 at most, else W0 is factored in float64.
        dearer: Called before W0 is taken in float64 after all, and before it is decomposed: both take more memory.
        room: Memory for a float32 LU; see `lora_lens.core.solving.refined.refined`.

    Example:
        Of ones alone the rank is 1 and the singular value 2, and the pseudo-inverse has a quarter everywhere.

        >>> factored = factor(torch.ones(1, 2, 2, dtype=torch.float64), 1e-7)
        >>> factored.rank, factored.inverse_norm
        (tensor([1]), tensor([0.5000], dtype=torch.float64))
        >>> factored.solver.solve(torch.tensor([[[1.0], [2.0]]], dtype=torch.float64)).ravel()
        tensor([0.7500, 0.7500], dtype=torch.float64)
    """
    if computing not in (None, w0.dtype):
        if found := _refinable(w0, cutoff, room):
            return found
        dearer("float64")
        w0 = w0.to(computing)
    solver, core, core_solver = _full_rank_solver(w0)
    rank = torch.full((len(w0),), min(w0.shape[-2:]), dtype=torch.int64, device=w0.device)
    inverse_norm = _screen(core, core_solver)
    longest_row = core.norm(dim=-1).amax(-1)  # at most ‖W0‖₂
    condition = inverse_norm * longest_row
    clear = bool((condition < _SAFETY / cutoff).all())  # not so where one is NaN
    if clear or _full_rank(core, core_solver, cutoff):
        return Factored(solver, rank, cutoff, inverse_norm, condition, w0)
    dearer("decomposed")
    # In float32 the rounding of σ_max alone passes for a σ_min.
    u, s, vh = torch.linalg.svd(w0.double(), full_matrices=False)
    kept = s > cutoff * s[..., :1]
    if bool(kept.all()):
        return Factored(solver, rank, cutoff, inverse_norm, condition, w0)
    u, s, vh = (x.to(w0) for x in (u, s.where(kept, torch.inf), vh))
    inverse_norm = 1 / s.amin(-1)
    condition = inverse_norm * longest_row
    pseudo_inverse = PseudoInverseSolver(u, s, vh)
    return Factored(pseudo_inverse, kept.sum(-1), cutoff, inverse_norm, condition, w0)


def _refinable(
    w0: Float[Tensor, "layer n n"], cutoff: float, room: Tensor | None
) -> Factored | None:
    """None where one of them is too ill-conditioned for it."""
    solver = refined(w0, room)
    found = [_inverse_norm(solver, w0, layer) for layer in range(len(w0))]
    if not all(bool(one.moved <= _MOVED) for one in found):
        return None
    inverse_norm = torch.cat([one.norm for one in found]).double()
    condition = inverse_norm * w0.norm(dim=-1).amax(-1)
    rank = torch.full((len(w0),), w0.shape[-1], dtype=torch.int64, device=w0.device)
    return Factored(solver, rank, cutoff, inverse_norm, condition, w0)


def _inverse_norm(solver: Solver, w0: Float[Tensor, "layer n n"], layer: int) -> InverseNorm:
    """Of one layer, whose factors stay in the cache where those of all do not."""
    own = mapped(solver, lambda tensor: tensor[layer : layer + 1])
    return inverse_norm_of(own, w0[layer : layer + 1], TWO_DIGITS)


def _screen(core: Tensor, solver: Solver) -> Tensor:
    """‖W0⁻¹‖₂ from below: a step of power iteration on a few vectors."""
    n = core.shape[-1]
    generator = torch.Generator().manual_seed(0)
    x = (
        torch.randn(n, _PROBES, generator=generator, dtype=torch.float64)
        .to(core)
        .expand(len(core), -1, -1)
    )
    y = of_order_one(solver.solve(x))  # or the norm of what a float32 holds would be infinite
    y = y / y.norm(dim=-2, keepdim=True)
    x = solver.solve_transposed(y)
    return x.norm(dim=-2).amax(-1)


def _full_rank(core: Tensor, solver: Solver, cutoff: float) -> bool:
    """Whether all of them are, by condition numbers from some ten products and solves of a few vectors.

    Found from below, to two digits; float32 has too few to tell.
    """
    if core.dtype != torch.float64:
        return False
    own = largest_singular_value(gram(core), core, tolerance=TWO_DIGITS)
    inverse = inverse_norm_of(solver, core, TWO_DIGITS).norm
    return bool((own * inverse < _MARGIN / cutoff).all())


def _full_rank_solver(w0: Tensor) -> tuple[Solver, Tensor, Solver]:
    """The solver, and a square matrix with W0's singular values together with its own solver."""
    rows, columns = w0.shape[-2:]
    if rows == columns:
        square = SquareSolver(*packed_lu(w0))
        return square, w0, square
    tall = TallSolver(*torch.linalg.qr(w0 if rows > columns else w0.mT))
    eye = torch.eye(min(rows, columns), dtype=w0.dtype, device=w0.device).expand_as(tall.r)
    return (tall if rows > columns else Transposed(tall)), tall.r, TallSolver(eye, tall.r)
