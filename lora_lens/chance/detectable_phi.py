"""The minimum detectable effect for φ, whose null leans to the right: what is found in 80 of 100 cases under a gamma distribution."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from .detectable import POWER

_TAILS = 2
_SCATTER = (np.arange(1000) + 0.5) / 1000  # of the number itself, as quantiles
_FARTHEST = 200.0  # deviations
_NORMAL = 1e6  # the shape from which a gamma is normal, and its quantiles less their mean only lose digits


@lru_cache(maxsize=512)
def detectable_deviations_of_phi(
    shape: float, level: float, draws: int, tails: int = 2
) -> float | None:
    """Deviations of a gamma null that a number must be off, itself scattered as the null is, to be found in 80 of 100 cases.

    φ of few directions in few layers is nearly a χ² of few degrees of freedom: what is rare there lies many more
    deviations off than a normal number would. With draws without end and the upper tail alone it is the
    null's quantile at 1 − level less that at 0.2.

    Args:
        shape: (mean − least)²/variance of the null, which is gamma above the least that the number can be.
        level: Of this test, corrected over its family.
        draws: As in `detectable_deviations`.
        tails: Both, or the upper one.

    Returns:
        None where so many draws can find nothing at that level.

    Example:
        Of two lines, one degree of freedom; of so many that it is normal; and of too few draws.

        >>> [round(detectable_deviations_of_phi(shape, 0.05, 10**4), 2) for shape in (0.5, 1e6)]
        [2.66, 2.8]
        >>> [round(detectable_deviations_of_phi(shape, 0.001, 10**4), 2) for shape in (0.5, 1e6)]
        [7.77, 4.15]
        >>> detectable_deviations_of_phi(0.5, 0.05, 18)
    """
    # Sentences of `inspect` and of `spectrum` test nothing, and go without SciPy, which loads slowly.
    from scipy.special import bdtr, gammainc, gammaincc, gammaincinv

    most = math.floor(level * (draws + 1) + 1e-9) - 1
    if most < 0:
        return None
    shape = min(shape, _NORMAL)
    nearer = (draws - 1) / (draws + 1)  # as in `detectable_deviations`
    root = math.sqrt(shape)
    own = gammaincinv(shape, _SCATTER) / root - root

    def found(shift: float) -> float:
        off = own + shift
        beyond = gammaincc(shape, (shape + root * off).clip(min=0))
        if tails == _TAILS:
            beyond = beyond + gammainc(shape, (shape - root * nearer * off).clip(min=0))
        return float(bdtr(most, draws, beyond.clip(0, 1)).mean())

    low, high = 0.0, _FARTHEST
    for _ in range(40):
        shift = (low + high) / 2
        low, high = (shift, high) if found(shift) < POWER else (low, shift)
    return high
