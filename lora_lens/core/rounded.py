"""Solvers for nulls: one layer at a time, in float32 where that is accurate enough."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .blocked import BlockedLU, GaussianSolver
from .factoring import Factored
from .lu import row_order
from .refined import RefinedSolver
from .solvers import Solver, SquareSolver, mapped

_ROUNDED = 1e5


class LayerSolver(NamedTuple):
    """One layer's solver, as a batch of one, and the dtype of its right-hand sides."""

    solver: Solver
    dtype: torch.dtype


def own_solver(factored: Factored, position: int) -> LayerSolver:
    """One layer's solver as it is, in the dtype that it was factored in."""
    solver = mapped(factored.converting, lambda tensor: tensor[position : position + 1])
    return LayerSolver(solver, factored.inverse_norm.dtype)


def rounded_solver(factored: Factored, position: int) -> LayerSolver:
    """One layer's solver for the many right-hand sides of a null: float32 where that is accurate enough.

    Up to an estimated condition of 1e5 it is: φ of a draw is off by less than 2e-3, at random, which
    is far below its deviation, and the mean over draws by less than 1e-4. Above that the factors'
    own dtype stays.
    """
    solver, _ = own = own_solver(factored, position)
    if not bool(factored.condition[position] <= _ROUNDED):  # NaN is not
        return own
    if isinstance(solver, RefinedSolver):
        return LayerSolver(BlockedLU(solver.packed[0], solver.order[0]), torch.float32)
    if isinstance(solver, SquareSolver):
        lu, pivots = solver.lu[0], solver.pivots[0]
        return LayerSolver(BlockedLU(lu, row_order(pivots, len(lu))), torch.float32)
    return LayerSolver(mapped(solver, Tensor.float), torch.float32)


def gaussian_solver(factored: Factored, position: int) -> LayerSolver:
    """As `rounded_solver`, for right-hand sides that no rotation changes in law, and right in law alone."""
    # Where an LU in float32 is at hand, going through it costs less than a QR and half as much.
    if isinstance(factored.converting, SquareSolver) and bool(
        factored.condition[position] <= _ROUNDED
    ):
        return LayerSolver(GaussianSolver(factored.w0[position]), torch.float32)
    return rounded_solver(factored, position)
