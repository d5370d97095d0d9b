"""LU in float32, solutions in float64: half the work and half the memory of an LU in float64.

Iterative refinement (Wilkinson 1963): what a float32 LU solves W0 x = b to, some κ·6e-8 of x, is
corrected by solving for the residual, which is taken in float64, and each round leaves that
share of the error that was there. The solution is float64's as long as the rounds converge, which is seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .lu import LUSolver, lu_in_place, packed_lu
from .solvers import SquareSolver

FROM = 1024  # the width from which it pays
REFINABLE = 1e5  # condition number up to which it is tried
_ROUNDS = 6
_SLOW = 0.1  # of the error left after a round: above it an LU in float64 takes over
_DONE = 5e-10  # of the solution: its error, as the rounds tell it; φ is then right to 1e-10
_DEPENDENT = 1e-8  # squares of singular values below this share of the largest are none
_ROWS_A_CORE = 256  # of W0 in float64 at once: in a core's cache


class Corrected(NamedTuple):
    """A solution, and the share of it that the correction moved, the most of any column."""

    x: Float[Tensor, "layer n k"]
    moved: Float[Tensor, " layer"]


@dataclass(frozen=True)
class RefinedSolver:
    """LU of square W0's in float32. Float64 right-hand sides are solved in float64, float32 ones in float32.

    Attributes:
        packed, order: Of each W0; see `lora_lens.core.solving.lu.LU`.
        w0: What the residual is taken with; it holds W0 exactly.
    """

    packed: Float[Tensor, "layer n n"]
    order: Int[Tensor, "layer n"]
    w0: Float[Tensor, "layer n n"]

    def solve(self, rhs: Float[Tensor, "layer n k"]) -> Float[Tensor, "layer n k"]:
        """X = W0⁻¹ rhs."""
        return self._solved(rhs, transposed=False)

    def solve_transposed(self, rhs: Float[Tensor, "layer n k"]) -> Float[Tensor, "layer n k"]:
        """X = W0⁻ᵀ rhs."""
        return self._solved(rhs, transposed=True)

    def corrected(self, rhs: Float[Tensor, "layer n k"]) -> Corrected:
        """X = W0⁻ᵀ rhs in one round, which leaves of the error what it has taken off the solution."""
        rough = self._scaled(rhs, transposed=True)
        residual = rhs - self._product(rough, transposed=True)
        change = self._scaled(residual, transposed=True)
        moved = torch.nan_to_num(_lengths(change) / _lengths(rough), 0)  # nothing of nothing
        return Corrected(rough + change, moved.amax((-2, -1)))

    def _solved(self, rhs: Tensor, *, transposed: bool) -> Tensor:
        if rhs.dtype == torch.float32:
            return self._rough(rhs, transposed=transposed)
        x = step = change = self._scaled(rhs, transposed=transposed)
        size = before = _lengths(x)
        share = torch.zeros_like(size)
        for _ in range(_ROUNDS):
            residual = rhs - self._product(x, transposed=transposed)
            last, change = change, self._scaled(residual, transposed=transposed)
            step = _ahead(step, last - change, change)
            x = x + step
            now = _lengths(step)
            left = torch.nan_to_num(now / before, 0)  # nothing of nothing
            if not bool((left <= _SLOW).all()):
                break
            share = torch.maximum(share, left)
            if bool((share * now <= _DONE * size).all()):
                return x
            before = now
        exact = self._exact
        return exact.solve_transposed(rhs) if transposed else exact.solve(rhs)

    def _scaled(self, rhs: Tensor, *, transposed: bool) -> Tensor:
        """In float32, of whatever size: each column at length 1."""
        size = _lengths(rhs)
        size = torch.where(size > 0, size, 1)
        return self._rough((rhs / size).float(), transposed=transposed).double() * size

    def _rough(self, rhs: Tensor, *, transposed: bool) -> Tensor:
        rough = LUSolver(self.packed, self.order)
        return rough.solve_transposed(rhs) if transposed else rough.solve(rhs)

    def _product(self, x: Tensor, *, transposed: bool) -> Tensor:
        found = torch.empty_like(x.mT, memory_format=torch.contiguous_format)
        for layer, (w0, columns) in enumerate(zip(self.w0, x, strict=True)):
            # A column a row, which a library's product with few of them is faster for.
            rows = columns.mT.contiguous()
            if transposed:
                found[layer] = 0
            for place, some in _in_double(w0):
                if transposed:
                    found[layer].addmm_(rows[:, place], some)
                else:
                    torch.mm(rows, some.mT, out=found[layer, :, place])
        return found.mT

    @cached_property
    def _exact(self) -> SquareSolver:
        return SquareSolver(*packed_lu(self.w0.double()))


def refined(w0: Float[Tensor, "layer n n"], room: Tensor | None = None) -> RefinedSolver:
    """A solver of square W0's, with the LU of each in float32.

    Args:
        w0: In float32, which holds it exactly; the solver keeps it.
        room: What `packed` of another was and is not needed any more, of at least as many: the LU is written there, as pages
            that are new to the process take several times as long as a copy.

    Example:
        >>> solver = refined(torch.tensor([[[1.0, 2.0], [3.0, 0.0]]]))
        >>> third = solver.solve(torch.tensor([[[0.0], [1.0]]], dtype=torch.float64))[0, 0]
        >>> bool(abs(third - 1 / 3) < 1e-15)  # float32's own is off by 1e-8
        True
    """
    if room is None:
        packed = w0.clone(memory_format=torch.contiguous_format)
    else:
        packed = room[: len(w0)].mT.copy_(w0)
    orders = [lu_in_place(each).order for each in packed]
    return RefinedSolver(packed.mT, torch.stack(orders), w0)


def _ahead(
    step: Float[Tensor, "layer n k"],
    gone: Float[Tensor, "layer n k"],
    change: Float[Tensor, "layer n k"],
) -> Float[Tensor, "layer n k"]:
    """Of all steps along the columns of the last one, the step that leaves the least to change.

    Anderson's mixing (1965): most of the errors of all right-hand sides lie along a few weak directions of W0, which the
    columns share.

    Args:
        step: The last one.
        gone: What it took off the change.
        change: What there is left of that.
    """
    size = _lengths(gone)
    unit = gone / torch.where(size > 0, size, 1)
    values, vectors = torch.linalg.eigh(torch.nan_to_num(unit.mT @ unit, 0, 0, 0))
    kept = values > _DEPENDENT * values[..., -1:]
    weights = torch.where(kept, 1 / values, 0)[..., None] * (vectors.mT @ (unit.mT @ change))
    share = (vectors @ weights) / torch.where(size > 0, size, 1).mT
    return step @ share + (change - gone @ share)


class _Block(NamedTuple):
    place: slice
    rows: Tensor


def _in_double(w0: Float[Tensor, "n n"]) -> Iterator[_Block]:
    """Its rows, some at a time, each block where the one before was."""
    step = min(_ROWS_A_CORE if w0.device.type == "cpu" else len(w0), len(w0))
    room = w0.new_empty((step, w0.shape[1]), dtype=torch.float64)
    for start in range(0, len(w0), step):
        some = w0[start : start + step]
        yield _Block(slice(start, start + len(some)), room[: len(some)].copy_(some))


def _lengths(x: Tensor) -> Tensor:
    return x.norm(dim=-2, keepdim=True)
