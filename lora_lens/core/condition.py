"""How well W0 is conditioned: σ_max/σ_min."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from .factoring import full_rank_solver
from .lanczos import largest_singular_value


def condition_number(w0: Float[Tensor, "layer out in"], cutoff: float) -> Float[Tensor, " layer"]:
    """σ_max/σ_min over the min(out, in) singular values of each W0; inf below `cutoff`.

    By Golub-Kahan-Lanczos on W0 and on its factored inverse, to about ten digits.
    """
    _, core, core_solver = full_rank_solver(w0)
    sigma_max = largest_singular_value(lambda v: core @ v, lambda v: core.mT @ v, core)
    inverse_norm = largest_singular_value(core_solver.solve, core_solver.solve_transposed, core)
    condition = sigma_max * inverse_norm
    return torch.where(condition <= 1 / cutoff, condition, torch.inf)
