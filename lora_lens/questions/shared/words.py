"""What is seen in a shared layer's numbers, in plain sentences that claim no more than they do."""

from __future__ import annotations

import math

from ...chance.against_null import NullTest
from ...show.layout import LABELS
from ...show.wording import (
    AS_TOLD,
    BELOW,
    ONE,
    TOO_FEW,
    too_few,
)
from .result import SharedResult, SharedSubspace

_LEVEL = 0.05  # of one test


def summary(result: SharedResult) -> str:
    """What one shared layer captures of each matrix, and what of a layer that it has not seen."""
    if len(result.layers) == 1:
        return f"{result.method} {result.module}: one layer only, so nothing can be shared."
    parts = [_of_matrix(shared) for shared in result.values()]
    tests = sum(
        2 for shared in result.values() if "propagated" in shared.nulls and shared.share <= ONE
    )
    hedge = f"\nThese are {tests} tests, their p uncorrected." if tests else ""
    return "\n".join(parts) + hedge


def _of_matrix(shared: SharedSubspace) -> str:
    name = LABELS[shared.matrix]
    null = shared.nulls.get("propagated")
    everything = shared.share > ONE
    first = "all" if everything else _percent(shared.share)
    second = "all" if shared.mean_left_out > ONE else _percent(shared.mean_left_out)
    text = f"One shared layer of width {shared.width} captures {first} of {name}'s conversion subspaces"
    if not everything or shared.least > ONE:
        text += f" (at least {_percent(shared.least)} whatever they are)"
    text += f", and {second} of those of a layer that it was not fitted to"
    if null is None:
        return f"{text}."
    text += (
        f"; random factors through the same W0 give {_beside(null.share)} and "
        f"{_beside(null.mean_left_out)}."
    )
    return (
        text if everything else f"{text} {_verdicts(null.share, null.mean_left_out, null.draws)}."
    )


def _verdicts(share: NullTest[float], left_out: NullTest[float], draws: int) -> str:
    first, second = _verdict(share, draws), _verdict(left_out, draws)
    numbers = [
        f"excess {_percent(float(test.excess), signed=True)}, p = {float(test.p):.3f}"
        for test in (share, left_out)
    ]
    if first == second:
        return f"Both are {first} ({numbers[0]}; {numbers[1]})"
    return f"The first is {first} ({numbers[0]}), the second {second} ({numbers[1]})"


def _verdict(test: NullTest[float], draws: int) -> str:
    p, z = float(test.p), float(test.z)
    if not math.isfinite(z):
        return "beyond telling from W0 alone, for the null does not vary"
    if p <= _LEVEL:
        return "more than W0 alone makes"
    if z < BELOW:
        return "less than W0 alone makes"
    return TOO_FEW if too_few(draws, _LEVEL) else f"no more than W0 alone makes{AS_TOLD}"


def _beside(test: NullTest[float]) -> str:
    return f"{100 * float(test.mean):.1f} ± {100 * float(test.sd):.1f} %"


def _percent(share: float, *, signed: bool = False) -> str:
    return f"{100 * share:{'+' if signed else ''}.1f} %"
