"""What is seen in ΔM and ΔD."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from ...chance.verdict import Trial
from ...show.findings import Claim, Finding, Scale, told
from ...show.layout import number, significant
from ...show.wording import listed
from .result import ChangesTogether, LayerChange, MagnitudeAndDirection

_LEAST_DECIMALS, _MOST_DECIMALS = 2, 6


def written(r: float) -> str:
    """A correlation in two decimals, or in as many as two digits of its distance from 1 take.

    Example:
        >>> written(-0.625), written(0.9874), written(0.99987), written(1.0)
        ('-0.62', '0.987', '0.99987', '1')
    """
    return _in_decimals(_decimals(r))(r)


def alike(several: Sequence[float]) -> Callable[[float], str]:
    """Correlations in as many decimals as the one of `several` that takes the most; what rounds to 1 is 1.

    Example:
        >>> one = alike([0.9874, 0.89])
        >>> one(0.9874), one(0.89), one(0.99987)
        ('0.987', '0.890', '1')
    """
    return _in_decimals(max(map(_decimals, several)))


def _decimals(r: float) -> int:
    """Where two digits of the distance from 1 end; of what is 1 to six decimals the least."""
    left = 1 - abs(r)
    if left < 10.0**-_MOST_DECIMALS:
        return _LEAST_DECIMALS
    return max(_LEAST_DECIMALS, 1 - math.floor(math.log10(left)))


def _in_decimals(decimals: int) -> Callable[[float], str]:
    def shown(r: float) -> str:
        text = number(r, decimals)
        return f"{float(text):.0f}" if abs(float(text)) == 1 else text

    return shown


CORRELATION = Scale(
    "r",
    (
        (0.9, "nearly on a rising line"),
        (0.5, "rising together"),
        (0.1, "loosely rising together"),
        (-0.1, "hardly going together"),
        (-0.5, "loosely going apart"),
        (-0.9, "going apart"),
        (-1.0, "nearly on a falling line"),
    ),
    written,
    alike,
)


def claims(result: MagnitudeAndDirection) -> list[Claim]:
    """The correlation of ΔM and ΔD over each module's layers, and over all of them, against random ΔW's."""
    if not result.tested:
        return []
    return [_claim(one) for one in result.together if _can_be_tested(one)]


def _can_be_tested(one: ChangesTogether) -> bool:
    return math.isfinite(one.p) and one.sd > 0


def _claim(one: ChangesTogether) -> Claim:
    about = (
        f"magnitude and directional change correlated over the layers of {one.label} (Pearson's r)"
    )
    trial = Trial(one.r, one.mean, one.sd, one.p, len(one.drawn), drawn=one.drawn, correlation=True)
    return Claim(about, one.label, CORRELATION, "random ΔW of the same singular values", trial)


def summary(result: MagnitudeAndDirection, findings: Sequence[Finding]) -> str:
    """How large ΔM and ΔD are beside random ΔW's, and whether they go together as those do."""
    layers = result.of(*result.modules)
    if not layers:
        return f"ΔW of {listed(result.modules)} is zero in every layer: nothing was trained, it is scaled by 0, or its factors cancel."
    modules = listed([name for name in result.modules if result.of(name)])
    said = f"{modules}: {_sizes(layers)}{' in the median of the layers' if len(layers) > 1 else ''}"
    if findings:
        pattern = (
            "over the layers of {names} ΔM and ΔD are {degree} correlated than those of random ΔW"
        )
        return f"{said}; {told((findings, pattern))}."
    known = [one for one in result.together if math.isfinite(one.r)]
    if not known:
        why = "layers that are all alike have no" if result.together else "too few layers for a"
        return f"{said}; {why} correlation."
    shown = alike([r for one in known for r in (one.r, one.mean) if math.isfinite(r)])
    r = listed(
        [f"{shown(one.r)} over the layers of {one.label}{_beside(one, shown)}" for one in known]
    )
    return f"{said}; their correlation is {r}, and nothing was tested."


def _sizes(layers: Sequence[LayerChange]) -> str:
    """Medians over the layers, as multiples of random ΔW's where they were drawn."""
    both = [[one.magnitude for one in layers], [one.direction for one in layers]]
    if all(one.mean > 0 for changes in both for one in changes):
        magnitude, direction = (
            float(np.median([one.value / one.mean for one in changes])) for changes in both
        )
        return f"ΔM is {magnitude:.2f} and ΔD {direction:.2f} times that of random ΔW with the same singular values"
    magnitude, direction = (float(np.median([one.value for one in changes])) for changes in both)
    return f"ΔM is {significant(magnitude)} and ΔD {significant(direction)}"


def _beside(one: ChangesTogether, shown: Callable[[float], str]) -> str:
    return f" ({shown(one.mean)} of random ΔW)" if math.isfinite(one.mean) else ""
