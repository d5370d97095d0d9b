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
        sd: Its deviation where the parts are unrelated, as the cosines' is given; its mean is then 0.
        z: Their quotient; NaN for a single part, and where nothing varies.
    """

    cross: float
    sd: float
    z: float


def cosine_sd(out: int, into: int) -> float:
    """Deviation of ⟨ΔW₁, ΔW₂⟩/(‖ΔW₁‖‖ΔW₂‖) for unrelated singular vectors of both sides: 1/√(out·in), exactly; its mean is 0.

    Whatever their singular values are: entries of U₁ᵀU₂ and V₁ᵀV₂ are uncorrelated, of variances 1/out and 1/in.

    Args:
        out, into: Rows and columns of ΔW.

    Example:
        >>> cosine_sd(384, 384) == 1 / 384
        True
    """
    return (out * into) ** -0.5


def sd_given_inputs(met: Float[np.ndarray, "*pairs"], out: int) -> Float[np.ndarray, "*pairs"]:
    """Deviation of ⟨ΔW₁, ΔW₂⟩ for unrelated outputs, as B's, whatever the inputs, as A's, have in common; its mean is 0.

    ‖ΔW₁ΔW₂ᵀ‖_F/√out, exactly: with the outputs of each turned at random ⟨Q₁ΔW₁, Q₂ΔW₂⟩ = ⟨Q₁ᵀQ₂, ΔW₁ΔW₂ᵀ⟩, and entries of
    Q₁ᵀQ₂ are uncorrelated, of variance 1/out. Over inputs that are unrelated too its mean square is ‖ΔW₁‖²‖ΔW₂‖²/(out·in),
    that of `cosine_sd`.

    Args:
        met: ‖ΔW₁ΔW₂ᵀ‖_F = ‖S₁V₁ᵀV₂S₂‖_F of each pair.
        out: Rows of ΔW.

    Example:
        >>> sd_given_inputs(np.array([1.0]), 64)  # of rank 1 and norm 1, with one input: 1/√64
        array([0.125])
    """
    return met / float(out) ** 0.5


def interference(
    cosines: Float[np.ndarray, "n n"],
    norms: Float[np.ndarray, " n"],
    *,
    sd: float | Float[np.ndarray, "n n"],
    weights: Float[np.ndarray, " n"] | None = None,
) -> Interference:
    """What n adapters' ΔW of one place do to each other in a weighted sum, beside unrelated ones.

    Args:
        cosines: ⟨ΔW_i, ΔW_j⟩/(‖ΔW_i‖‖ΔW_j‖); neither its diagonal is looked at, nor what a ΔW of 0 has, which has none.
        norms: Frobenius norms.
        sd: Deviations of the cosines under the null that is meant: `cosine_sd`, or `sd_given_inputs` over the norms.
        weights: Of the sum; 1 by default.

    Example:
        >>> interference(np.ones((3, 3)), np.ones(3), sd=cosine_sd(8, 8)).cross
        2.0
    """
    lengths = norms if weights is None else norms * weights
    products = np.outer(lengths, lengths)
    off = ~np.eye(len(norms), dtype=bool) & (products != 0)
    cross = float((cosines * products)[off].sum()) if off.any() else float("nan")
    variance = float(np.square(products * sd)[off].sum())
    return of_sums(cross, variance, float(np.square(lengths).sum()))


def of_sums(cross: float, variance: float, energy: float) -> Interference:
    """`interference` from its sums over ordered pairs, for whoever has met the pairs block by block.

    Args:
        cross: Σ_{i≠j} ⟨w_iΔW_i, w_jΔW_j⟩; NaN where there is no pair.
        variance: Σ_{i≠j} of their variances, which are uncorrelated from pair to pair.
        energy: Σ‖w_iΔW_i‖².

    Example:
        >>> found = of_sums(6.0, 6 / 8**2, 3.0)  # three equal ones of norm 1, 8×8
        >>> found.cross, round(found.sd, 4), round(found.z, 2)  # of three pairs: 2·√3/8 of 3
        (2.0, 0.1443, 13.86)
    """
    if not energy > 0 or np.isnan(cross):
        return Interference(float("nan"), float("nan"), float("nan"))
    # Each unordered pair stands twice in the sum: 4·Σ_{i<j} = 2·Σ_{i≠j}.
    sd = (2 * variance) ** 0.5 / energy
    return Interference(cross / energy, sd, cross / energy / sd if sd > 0 else float("nan"))
