"""By how much ΔW lengthens W0's rows and turns them: DoRA's magnitude and direction, of ΔW and of random ones."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from .intruders import random_directions

_ROUNDING = (
    16  # eps of ‖ΔW‖, by which a row of it may be off where it comes of its singular vectors
)
_COLUMNS = 256  # of W0·Y at once, over several draws


class RowChanges(NamedTuple):
    """Means over W0's rows: of one ΔW a number each, of several a number a ΔW."""

    magnitude: Float[Tensor, "*draw"]
    direction: Float[Tensor, "*draw"]


def row_changes(w0: Float[Tensor, "out in"], delta: Float[Tensor, "out in"]) -> RowChanges:
    """ΔM, the mean over rows of the distance of ‖w0 + δ‖ from ‖w0‖, and ΔD, that of 1 − cos(w0 + δ, w0): 0 to 2.

    Liu et al. 2024 (DoRA, arXiv 2402.09353), section 3.2. The vectors are the rows of W0 as (out, in), which PEFT
    and the authors' code normalise; the paper's text has W as d×k and calls them columns.

    With δ = p·w0/‖w0‖ + δ⊥, ‖w0 + δ‖ is hypot(‖w0‖ + p, ‖δ⊥‖) and 1 − cos² is ‖δ⊥‖²/‖w0 + δ‖², so that nothing cancels
    however small δ is. Of a row that becomes zero the cosine is taken as 0, and what of δ is rounding of ΔW across a row as none; rows
    of W0 that are zero, which have no direction, are left out.

    Args:
        w0: W0.
        delta: ΔW.

    Returns:
        Two numbers, in the dtype of both; NaN where all of W0 is zero.

    Example:
        >>> w0 = torch.tensor([[3.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
        >>> turned = torch.tensor([[0.0, 4.0], [0.0, 0.0]], dtype=torch.float64)  # (3, 0) becomes (3, 4): cos 3/5
        >>> [round(each.item(), 6) for each in row_changes(w0, turned)]
        [1.0, 0.2]
        >>> [round(each.item(), 6) for each in row_changes(w0, 0.5 * w0)]
        [1.0, 0.0]
    """
    norms = torch.linalg.vector_norm(w0, dim=1)
    w0, delta, norms = (each[norms > 0] for each in (w0, delta, norms))
    units = w0 / norms[:, None]
    along = (units * delta).sum(1)
    across = torch.linalg.vector_norm(delta - along[:, None] * units, dim=1)
    return _means(norms, along, across, torch.linalg.matrix_norm(delta))


def random_row_changes(
    w0: Float[Tensor, "out in"], s: Float[Tensor, " k"], draws: int, generator: torch.Generator
) -> RowChanges:
    """`row_changes` of random ΔW with the singular values `s`, in uniform directions on both sides.

    ΔW = X·diag(s)·Yᵀ is not formed: of each row ⟨w0, δ⟩ is Σ_k x_k·s_k·(W0·Y)_k, and ‖δ‖² is Σ_k x_k²·s_k². 2·out·in·k operations
    a draw, beside two QRs, and memory for a few matrices of W0's size at most.

    Args:
        w0: W0, whose rows of zeros are left out.
        s: Singular values, at most as many as W0 has.
        draws: How many ΔW.
        generator: On the CPU.

    Returns:
        (draw,) each, in the dtype of `w0` and where it is.

    Example:
        >>> w0, s = torch.eye(40, dtype=torch.float64), torch.tensor([0.1], dtype=torch.float64)
        >>> found = random_row_changes(w0, s, 400, torch.Generator().manual_seed(0))
        >>> round(found.direction.mean().item() * 2 * 40 / 0.1**2, 2)  # half of ‖δ⊥‖², 39/40 of ‖δ‖²
        0.97
    """
    norms = torch.linalg.vector_norm(w0, dim=1)
    block = max(1, _COLUMNS // max(1, len(s)))
    found = [
        _random_block(w0, norms, s, min(block, draws - start), generator)
        for start in range(0, draws, block)
    ]
    return RowChanges(*(torch.cat(each) for each in zip(*found, strict=True)))


def _random_block(
    w0: Tensor, norms: Tensor, s: Tensor, draws: int, generator: torch.Generator
) -> RowChanges:
    x, y = (random_directions(d, len(s), draws, generator).to(w0) for d in w0.shape)
    there = norms > 0
    x = x[:, there] * s
    products = (w0[there] @ y.permute(1, 0, 2).flatten(1)).unflatten(1, (draws, len(s)))
    along = (x * products.permute(1, 0, 2)).sum(-1) / norms[there]
    across = (x.square().sum(-1) - along.square()).clamp(min=0).sqrt()
    return _means(norms[there], along, across, torch.linalg.vector_norm(s))


def _means(
    norms: Float[Tensor, " out"],
    along: Float[Tensor, "*draw out"],
    across: Float[Tensor, "*draw out"],
    size: Float[Tensor, ""],
) -> RowChanges:
    """Of rows of these norms, and of δ's part along each and the norm of the part across it; with ‖ΔW‖."""
    rounding = _ROUNDING * torch.finfo(norms.dtype).eps
    across = across.where(across > rounding * size, 0)
    beside = norms + along
    after = torch.hypot(beside, across)
    longer = (along * (2 * norms + along) + across.square()) / (after + norms)
    square = across.square() / (after * (after + beside))
    turned = torch.where(beside > 0, square, 1 - beside / after)
    turned = torch.where(after > rounding * (norms + size), turned, torch.ones_like(turned))
    return RowChanges(longer.abs().mean(-1), turned.mean(-1))
