"""What is seen in amplification factors."""

from __future__ import annotations

import numpy as np

from ...show.layout import significant
from .result import Amplification


def summary(result: Amplification) -> str:
    """Factors over the layers, and what W0 has in ΔW's directions beside random ones. Nothing is tested."""
    factors = [one.factor for one in result.layers]
    if not np.isfinite(factors).any():
        return f"{result.module}: W0 has nothing in ΔW's top directions, so that no factor says how much is amplified."
    beside = [one.w0_in_delta / one.w0_in_random for one in result.layers if one.w0_in_random > 0]
    text = f"{result.module}: ΔW amplifies its own top directions by "
    if len(factors) == 1:
        text += f"a factor of {_factor(factors[0])}"
    else:
        text += (
            f"factors of {_factor(min(factors))} to {_factor(max(factors))} over the layers "
            f"(median {_factor(float(np.median(factors)))})"
        )
    if beside:
        # As of random directions in each layer; their median is .67 of it at rank 1.
        over = "" if len(beside) == 1 else " (root mean square)"
        times = float(np.sqrt(np.mean(np.square(beside))))
        text += (
            f"; W0 has {significant(times)} times in them what it has in random directions{over}"
        )
    return f"{text}."


def _factor(value: float) -> str:
    return "∞" if np.isposinf(value) else significant(value)
