"""W0⁻¹G for a Gaussian G, right in law, by half of a solve."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from .triangular_solve import solve_triangle


@dataclass(frozen=True)
class GaussianSolver:
    """W0⁻¹G and W0⁻ᵀG in law, for G whose law no rotation changes, as a Gaussian's: half the work of a solve.

    With W0 = Q·R, ``W0⁻¹G = R⁻¹(QᵀG)``, and QᵀG has the law of G. So one triangle does, in float32;
    for W0ᵀ, that of its own QR.
    """

    w0: Float[Tensor, "n n"]

    def solve(self, rhs: Float[Tensor, "1 n k"]) -> Float[Tensor, "1 n k"]:
        """R⁻¹ rhs: W0⁻¹ rhs but for a turn of the right-hand sides, the same for all of them."""
        return solve_triangle(self._forward, rhs[0], upper=True)[None]

    def solve_transposed(self, rhs: Float[Tensor, "1 n k"]) -> Float[Tensor, "1 n k"]:
        """W0⁻ᵀ rhs but for such a turn."""
        return solve_triangle(self._backward, rhs[0], upper=True)[None]

    @cached_property
    def _forward(self) -> Float[Tensor, "n n"]:
        return torch.geqrf(self.w0.float()).a

    @cached_property
    def _backward(self) -> Float[Tensor, "n n"]:
        return torch.geqrf(self.w0.mT.float()).a
