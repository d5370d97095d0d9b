"""What random matrices do: the edge of their singular values, and what random directions see of W0."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from jaxtyping import Float

from ...arrays import Tensor
from ...errors import RankError


def marchenko_pastur_edge(
    frobenius_norm: Float[Tensor, "*batch"], rows: int, columns: int
) -> Float[Tensor, "*batch"]:
    """Where the singular values of a dense random matrix of this size and norm end.

    ``σ·(√rows + √columns)`` with ``σ² = ‖W‖_F²/(rows·columns)``, the mean square of the entries: the
    upper edge of the Marchenko-Pastur law for independent entries of mean 0 and variance σ². Larger
    singular values are structure, but for one: the largest of a Gaussian matrix lies above the edge in up to one case of six
    (17 % of large ones by the law of Tracy and Widom, 8 % at 24²). Directions that stick out count into σ as well, so the edge is too
    high rather than too low, and the count above it too small rather than too large.

    It is a yardstick for W0 and for W0 + ΔW, which are dense. For ΔW of low rank it is not: all of
    ΔW's energy sits in r directions, so even its mean singular value, ‖ΔW‖_F/√r, lies above its own
    edge whatever the training did. See `gaussian_product_edge` for that.

    Args:
        frobenius_norm: ‖W‖_F of each matrix.
        rows, columns: Their size.

    Example:
        >>> import torch
        >>> float(marchenko_pastur_edge(torch.tensor(30.0), 25, 36))
        11.0
    """
    return frobenius_norm * (math.sqrt(rows) + math.sqrt(columns)) / math.sqrt(rows * columns)


def gaussian_product_edge(frobenius_norm: Any, rows: int, columns: int, rank: int) -> Any:
    """What the largest singular value of a random product of rank r and this norm stays below.

    ``‖ΔW‖_F/√r · (1 + √(r/rows))·(1 + √(r/columns))``: the product of the Marchenko-Pastur edges of
    Gaussian factors B (rows, r) and A (r, columns), scaled so that E‖BA‖_F² = ‖ΔW‖_F². It depends on
    ΔW's norm and not on the gauge that A and B are in. The edge is not sharp: BA's largest singular
    value reaches it only where B's and A's top directions meet.

    Args:
        frobenius_norm: ‖ΔW‖_F of each product.
        rows, columns, rank: Of the factors: B is (rows, rank), A (rank, columns).

    Raises:
        RankError: `rank` is below 1.

    Example:
        >>> import torch
        >>> round(float(gaussian_product_edge(torch.tensor(4.0), 100, 400, 4)), 6)
        2.64
    """
    if rank < 1:
        raise RankError(f"a product of rank {rank} has no singular values; expected at least 1")
    spread = (1 + math.sqrt(rank / rows)) * (1 + math.sqrt(rank / columns))
    return frobenius_norm * spread / math.sqrt(rank)


class SquareMoments(NamedTuple):
    """Mean and standard deviation of a squared norm."""

    mean: float
    sd: float


def projected_square_moments(
    s: Float[Tensor, " k"], rows: int, columns: int, rank: int
) -> SquareMoments:
    """Mean and deviation of ``‖Uᵀ W0 V‖_F²`` for independent uniform U (rows, r) and V (columns, r).

    The mean is ``r²‖W0‖_F²/(rows·columns)``, since E UUᵀ = (r/rows)·I. For the variance, a uniform
    projector P of rank r in R^d has ``E P_ij P_kl = α δ_ij δ_kl + β (δ_ik δ_jl + δ_il δ_jk)`` with
    ``β = r(d − r)/(d(d − 1)(d + 2))`` and ``α = (r² − 2βd)/d²``; with T = Σσ² and S = Σσ⁴ of W0,

        E‖·‖⁴ = α_o (α_i T² + 2β_i S) + 2β_o ((α_i + β_i) S + β_i T²).

    Args:
        s: All singular values of W0.
        rows, columns: W0's.
        rank: Dimension of both subspaces.

    Raises:
        RankError: `rank` is not between 1 and both dimensions.

    Example:
        >>> import torch
        >>> projected_square_moments(torch.ones(8), 8, 8, 4).mean  # of the identity: r²·8/64
        2.0
    """
    if not 1 <= rank <= min(rows, columns):
        raise RankError(f"no subspaces of dimension {rank} in R^{rows} and R^{columns}")
    squares = s.double().square()
    t, fourth = float(squares.sum()), float(squares.square().sum())
    (alpha_o, beta_o), (alpha_i, beta_i) = (_projector(d, rank) for d in (rows, columns))
    mean = rank**2 * t / (rows * columns)
    second = alpha_o * (alpha_i * t**2 + 2 * beta_i * fourth) + 2 * beta_o * (
        (alpha_i + beta_i) * fourth + beta_i * t**2
    )
    # Whole spaces leave W0's own norm, whatever they are turned to: the difference would be rounding.
    varies = not rank == rows == columns
    return SquareMoments(mean, math.sqrt(max(0.0, second - mean**2)) if varies else 0.0)


def _projector(d: int, rank: int) -> tuple[float, float]:
    beta = 0.0 if d == 1 else rank * (d - rank) / (d * (d - 1) * (d + 2))
    return (rank**2 - 2 * beta * d) / d**2, beta
