"""Solvers for nulls: one layer at a time, in float32 where that is accurate enough."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .factoring import Factored
from .gaussian_solver import GaussianSolver
from .lu import LUSolver, row_order
from .refined import RefinedSolver
from .solvers import Solver, SquareSolver, Transposed, mapped

_ROUNDED = 1e5


class LayerSolver(NamedTuple):
    """One layer's solver, as a batch of one, and the dtype of its right-hand sides."""

    solver: Solver
    dtype: torch.dtype


def own_solver(factored: Factored, position: int) -> LayerSolver:
    """One layer's solver as it is, in the dtype that it was factored in.

    Args:
        factored: W0 of some layers.
        position: Of the layer among them.

    Example:
        >>> from lora_lens.core.solving.factoring import factor
        >>> w0 = torch.eye(2, dtype=torch.float64) * torch.tensor([2.0, 4.0])[:, None, None]
        >>> solver, dtype = own_solver(factor(w0, 1e-7), 1)
        >>> solver.solve(torch.ones(1, 2, 1, dtype=dtype)).ravel()
        tensor([0.2500, 0.2500], dtype=torch.float64)
    """
    solver = mapped(factored.converting, lambda tensor: tensor[position : position + 1])
    return LayerSolver(solver, factored.inverse_norm.dtype)


def rounded_solver(factored: Factored, position: int) -> LayerSolver:
    """One layer's solver for the many right-hand sides of a null: float32 where that is accurate enough.

    Up to an estimated condition of 1e5 it is: φ of a draw is off by less than 2e-3, at random, which
    is far below its deviation, and the mean over draws by less than 1e-4. Above that the factors'
    own dtype stays.

    Args:
        factored, position: As in `own_solver`.

    Example:
        >>> from lora_lens.core.solving.factoring import factor
        >>> w0 = torch.diag_embed(torch.tensor([[2.0, 1.0], [2.0, 1e-6]], dtype=torch.float64))
        >>> [rounded_solver(factor(w0, 1e-7), layer).dtype for layer in (0, 1)]
        [torch.float32, torch.float64]
    """
    solver, _ = own = own_solver(factored, position)
    if not bool(factored.condition[position] <= _ROUNDED):  # NaN is not
        return own
    if isinstance(solver, RefinedSolver):  # its LU as it is
        return LayerSolver(solver, torch.float32)
    if isinstance(solver, SquareSolver):
        order = row_order(solver.pivots[0], solver.lu.shape[-1])
        of_turned = LUSolver(solver.lu.float(), order[None])
        return LayerSolver(Transposed(of_turned), torch.float32)
    return LayerSolver(mapped(solver, Tensor.float), torch.float32)


def gaussian_solver(factored: Factored, position: int) -> LayerSolver:
    """As `rounded_solver`, for right-hand sides that no rotation changes in law, and right in law alone.

    Args:
        factored, position: As in `own_solver`.

    Example:
        A turn of the right-hand side changes no length, and this W0⁻¹ halves them all.

        >>> from lora_lens.core.solving.factoring import factor
        >>> w0 = torch.tensor([[[0.0, 2.0], [2.0, 0.0]]], dtype=torch.float64)
        >>> solver, dtype = gaussian_solver(factor(w0, 1e-7), 0)
        >>> round(solver.solve(torch.tensor([[[3.0], [4.0]]], dtype=dtype)).norm().item(), 4)
        2.5
    """
    # Where an LU in float32 is at hand, going through it costs less than a QR and half as much.
    if isinstance(factored.converting, SquareSolver) and bool(
        factored.condition[position] <= _ROUNDED
    ):
        return LayerSolver(GaussianSolver(factored.w0[position]), torch.float32)
    return rounded_solver(factored, position)
