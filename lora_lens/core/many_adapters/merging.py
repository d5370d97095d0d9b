"""What adapters do to each other when they are added: the energy of their cross terms."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Interference(NamedTuple):
    """The energy of a sum beside the sum of its parts' energies.

    Attributes:
        cross: ``(‖Σ w_n ΔW_n‖² − Σ‖w_n ΔW_n‖²)/Σ‖w_n ΔW_n‖²``: 0 where no part meets another, −1 where they
            cancel, n − 1 for n equal ones.
        sd: Its deviation where the parts have unrelated directions; its mean is then 0.
        z: Their quotient; NaN for a single part.
    """

    cross: float
    sd: float
    z: float


def cosine_sd(out: int, into: int) -> float:
    """Deviation of ⟨ΔW₁, ΔW₂⟩/(‖ΔW₁‖‖ΔW₂‖) for unrelated singular vectors: 1/√(out·in), exactly; its mean is 0.

    Whatever their singular values are: entries of U₁ᵀU₂ and V₁ᵀV₂ are uncorrelated, of variances 1/out and 1/in.

    Args:
        out, into: Rows and columns of ΔW.

    Example:
        >>> cosine_sd(384, 384) == 1 / 384
        True
    """
    return (out * into) ** -0.5


def interference(
    cosines: Float[np.ndarray, "n n"],
    norms: Float[np.ndarray, " n"],
    shape: tuple[int, int],
    weights: Float[np.ndarray, " n"] | None = None,
) -> Interference:
    """What n adapters' ΔW of one place do to each other in a weighted sum, beside unrelated ones.

    Args:
        cosines: ⟨ΔW_i, ΔW_j⟩/(‖ΔW_i‖‖ΔW_j‖); neither its diagonal is looked at, nor what a ΔW of 0 has, which has none.
        norms: Frobenius norms.
        shape: (out, in).
        weights: Of the sum; 1 by default.

    Example:
        >>> interference(np.ones((3, 3)), np.ones(3), (8, 8)).cross
        2.0
    """
    lengths = norms if weights is None else norms * weights
    products = np.outer(lengths, lengths)
    off = ~np.eye(len(norms), dtype=bool) & (products != 0)
    squares = float(np.square(products)[off].sum())
    return of_sums(
        float((cosines * products)[off].sum()), squares, float(np.square(lengths).sum()), shape
    )


def of_sums(cross: float, squares: float, energy: float, shape: tuple[int, int]) -> Interference:
    """`interference` from its sums over ordered pairs, for whoever has met the pairs block by block.

    Args:
        cross: Σ_{i≠j} ⟨w_iΔW_i, w_jΔW_j⟩.
        squares: Σ_{i≠j} ‖w_iΔW_i‖²‖w_jΔW_j‖².
        energy: Σ‖w_iΔW_i‖².
        shape: (out, in).

    Example:
        >>> found = of_sums(6.0, 6.0, 3.0, (8, 8))  # three equal ones of norm 1
        >>> found.cross, round(found.sd, 4), round(found.z, 2)  # of three pairs: 2·√3/8 of 3
        (2.0, 0.1443, 13.86)
    """
    if not energy > 0 or not squares > 0:
        return Interference(float("nan"), float("nan"), float("nan"))
    # Each unordered pair stands twice in the sum: 4·Σ_{i<j} = 2·Σ_{i≠j}.
    sd = (2 * squares) ** 0.5 * cosine_sd(*shape) / energy
    return Interference(cross / energy, sd, cross / energy / sd)
