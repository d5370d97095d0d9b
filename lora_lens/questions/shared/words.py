"""What is seen in a shared layer's numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np

from ...chance.significance import LEVEL
from ...chance.verdict import Trial
from ...show.findings import SHARE, Claim, Finding, told
from ...show.layout import LABELS
from ...show.wording import ONE, listed
from .predicted import Predicted
from .result import SharedResult

_PATTERN = (
    "θ fitted to the other layers predicts {degree} of a layer's {names} than {its} place on W0's singular "
    "directions explains"
)

_CARRIED = (
    "θ of the one adapter predicts {degree} of the other's {names} than {its} place on W0's singular "
    "directions explains"
)


def claims(result: SharedResult) -> list[Claim]:
    """The mean predicted share of each factor against flips on its own W0's singular directions.

    The other nulls describe, and so do the shares of conversion subspaces: W0⁻¹ blows up what is not
    shared, and a test of them misses nine tenths of a shared layer.
    """
    return list(_claims(result))


def _claims(result: SharedResult) -> Iterator[Claim]:
    for matrix, shared in result.items():
        one = shared.asked
        test = None if one is None else one.nulls.get("flipped")
        if one is None or test is None or not np.isfinite(test.z):
            continue
        flipped = one.draws["flipped"]
        trial = Trial(one.mean, test.mean, test.sd, test.p_two_sided, flipped, drawn=one.drawn)
        of = "a layer's" if shared.carried is None else "the other adapter's"
        about = f"share of {of} {LABELS[matrix]} that the other layers' θ predicts (mean)"
        by_one = result.method.startswith("cond") and shared.carried is None
        made = by_one and one.share.min() > ONE
        yield Claim(about, LABELS[matrix], SHARE, "flipped", trial, made=bool(made))


def summary(result: SharedResult, findings: Sequence[Finding]) -> str:
    """Whether the other layers' shared layer predicts a layer's factor, and how much of it."""
    if len(result.layers) == 1:
        return f"{result.module}: one layer only, so nothing can be shared."
    asked = {LABELS[m]: one for m, shared in result.items() if (one := shared.asked) is not None}
    pattern = _PATTERN if result.other is None else _CARRIED
    exact = [name for name, one in asked.items() if one.share.min() > ONE]
    whole = [one.label for one in findings if one.label in exact and one.word == "more"]
    parts = []
    if whole:
        parts.append(
            f"one shared layer of width {result.width} gives {listed(whole)} in every layer"
        )
    if hopeless := [one.label for one in findings if one.label in exact and one.hopeless]:
        parts.append(f"the predicted share of {listed(hopeless)} is 1.0000 in every layer")
    tested = [one for one in findings if one.label not in whole]
    for _, some in groupby(tested, lambda one: one.word == "more"):  # whose layers follow them
        alike = list(some)
        parts.append(told((alike, pattern)) + _where(alike, asked))
    said = [one.label for one in findings]
    for why in dict.fromkeys(map(_untested, asked.values())):
        rest = [name for name in asked if name not in said and _untested(asked[name]) == why]
        if rest and asked[rest[0]].trivial:
            parts.append(f"what θ fitted to the other layers predicts of {listed(rest)} {why}")
        elif rest:
            shares = listed([f"{percent(asked[name].mean)} of {name}" for name in rest])
            parts.append(f"θ fitted to the other layers predicts {shares}, {why}")
    return f"{result.module}: {'; '.join(parts)}."


def _untested(one: Predicted) -> str:
    """Why nothing is said of a share that was not tested."""
    if one.trivial:
        return (
            "is not determined: more directions than a layer of that width has fit these equally well, by few independent rows of W0 or a width below "
            "the rank"
        )
    if one.whole:
        return "as it does of any factors where their rank, or the layer's width, is the whole space's dimension"
    if one.unknown:
        return "which nothing is said of: the other adapter's layers hang together by a θ of their own, and no draws of chance are known that do"
    if one.nulls:
        return "which nothing can be said of, for the draws of chance do not vary"
    return "which nothing can be said of without draws of chance"


def _where(findings: Sequence[Finding], asked: dict[str, Predicted]) -> str:
    """In which layers what is found is found.

    Of factors that are found at all, by the p that the table prints: `Predicted.p_named`.
    """
    parts: list[str] = []
    few: list[tuple[str, int, int]] = []
    for one in findings:
        if one.word != "more":
            continue
        predicted = asked[one.label]
        alone = zip(predicted.layers, predicted.p_named(one.verdict.family), strict=True)
        layers = [str(layer) for layer, p in alone if p <= LEVEL]
        if len(layers) == len(predicted.layers):
            where = "in every layer"
        elif layers:
            where = f"in layer{'' if len(layers) == 1 else 's'} {listed(layers)}{'' if len(layers) == 1 else ', each'}"
        elif (needed := predicted.flips_needed(one.verdict.family)) > predicted.flips:
            few.append((one.label, predicted.flips, needed))
            continue
        else:
            where = "in no single layer"
        parts.append(f"{one.label} {where} by itself")
    if few:
        flips, needed = few[0][1:]
        names = listed([label for label, *_ in few])
        parts.append(
            f"of {names} {flips} flips a layer are too few to name any ({needed} are needed)"
        )
    return f", {listed(parts)}" if parts else ""


def details(result: SharedResult) -> list[str]:
    """What a shared layer captures at least whatever the layers are, a sentence each."""
    return [
        f"{LABELS[one.matrix]}'s conversions: one layer captures {percent(one.share)} of their subspaces, on average over the layers (at least "
        f"{percent(one.least)} whatever they are), {percent(one.mean_left_out)} of a layer that "
        f"it was not fitted to."
        for one in result.values()
        if one.share <= ONE
    ]


def percent(share: float) -> str:
    """With one decimal."""
    return f"{100 * share:.1f} %"
