"""What is seen in a shared layer's numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ...chance.verdict import Trial
from ...show.findings import SHARE, Claim, Finding, told
from ...show.layout import LABELS
from ...show.wording import ONE, listed
from .result import SharedResult, SharedSubspace

CAPTURED, LEFT_OUT = "captured", "left out"
_ABOUT = {
    CAPTURED: "share captured by one shared layer",
    LEFT_OUT: "share captured of a layer left out of the fit",
}


def claims(result: SharedResult) -> list[Claim]:
    """What one layer captures, of all layers and of one left out, against the propagated null."""
    return list(_claims(result))


def _claims(result: SharedResult) -> Iterator[Claim]:
    for matrix, shared in result.items():
        if (null := shared.nulls.get("propagated")) is None:
            continue
        numbers = (
            (CAPTURED, shared.share, null.share),
            (LEFT_OUT, shared.mean_left_out, null.mean_left_out),
        )
        for what, value, test in numbers:
            if np.isfinite(test.z):
                trial = Trial(value, test.mean, test.sd, test.p_two_sided, null.draws)
                about = f"{LABELS[matrix]}'s conversions, {_ABOUT[what]}"
                yield Claim(about, LABELS[matrix], SHARE, "propagated", trial, what)


def summary(result: SharedResult, findings: Sequence[Finding]) -> str:
    """What one shared layer captures of each matrix, and of a layer that it has not seen."""
    if len(result.layers) == 1:
        return f"{result.module}: one layer only, so nothing can be shared."
    whole = [LABELS[matrix] for matrix, one in result.items() if one.share > ONE]
    rest = [one for one in result.values() if one.share <= ONE]
    layer = f"one shared layer of width {result.width} captures"
    parts = []
    if whole:
        parts.append(
            f"{layer} all of {listed(whole)} in every layer, and all of a layer left out of the fit"
        )
    tested = [one for one in findings if one.label not in whole]
    if tested:
        starts = {CAPTURED: layer, LEFT_OUT: "of a layer left out of the fit it captures"}
        kinds = [
            (
                [one for one in tested if one.claim.aspect == what],
                f"{start} {{degree}} of {{names}} than of random factors through the same W0",
            )
            for what, start in starts.items()
        ]
        parts.append(told(*kinds))
    if rest and not findings:
        parts.append(f"{layer} {_untested(rest)}")
    return f"{result.module}: {'; '.join(parts)}."


def _untested(some: Sequence[SharedSubspace]) -> str:
    shares = listed([f"{percent(one.share)} of {LABELS[one.matrix]}" for one in some])
    return f"{shares}, which nothing can be said of without draws of chance"


def details(result: SharedResult) -> list[str]:
    """What a shared layer captures at least whatever the layers are, a sentence each."""
    return [
        f"{LABELS[one.matrix]}: {percent(one.share)} is captured on average over the layers (at least "
        f"{percent(one.least)} whatever they are), {percent(one.mean_left_out)} of a layer that "
        f"it was not fitted to."
        for one in result.values()
        if one.share <= ONE
    ]


def percent(share: float) -> str:
    """With one decimal."""
    return f"{100 * share:.1f} %"
