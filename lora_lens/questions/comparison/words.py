"""What is seen in φ between two adapters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from ...chance.p_values import fewest_draws
from ...chance.significance import LEVEL
from ...chance.verdict import Trial
from ...core.similarity.layers_together import AS_INDEPENDENT
from ...core.similarity.phi_by_chance import least_beside
from ...show.findings import PHI, Claim, Finding, told
from ...show.layout import LABELS
from ...show.wording import ALONG_W0, APART_ON_W0, ONE, listed, same_phi
from ...subspaces.pairing import SAME_W0
from .result import ComparisonResult, LayerSeries

_ABOUT = {
    "flipped": "of the two adapters alike, beside where they lie on W0's own singular directions (mean φ)",
    "gaussian": "of the two adapters alike, beside unrelated subspaces (mean φ)",
    "mismatched": "of the two adapters alike layer by layer, beside other layers (mean φ)",
}
_ASPECTS = {"flipped": "along W0", "gaussian": "unrelated", "mismatched": "other layers"}
_WITHOUT_W0 = ("gaussian", "mismatched")
_PATTERNS = {
    "flipped": "{names} of the two adapters {are} {degree} alike than their places on W0's singular directions "
    "explain",
    "gaussian": "{names} of the two adapters {are} {degree} alike than unrelated subspaces would be",
    "mismatched": "{names} {are} {degree} alike in a layer and its counterpart than in layers shuffled",
}


def claims(result: ComparisonResult) -> list[Claim]:
    """Mean φ of every matrix against flips; where there are none, against unrelated subspaces and shuffled layers.

    Two CondLoRA adapters of one base are made of the same W0, in every layer by one θ: no null has that.
    """
    if SAME_W0 in result.notes:
        return []
    return list(_claims(result))


def _claims(result: ComparisonResult) -> Iterator[Claim]:
    shown = distinct(result)
    for matrix, series in shown.items():
        if series.together:
            continue
        for null in (name for name in _deciding(series) if name in series.baselines):
            test = series.tests[null].of_mean
            draws = series.baselines[null].draws or 0
            # Few layers have few orders: more draws would find no more.
            if draws < min(fewest_draws(LEVEL, tests=2 * len(shown)), series.baseline.draws or 0):
                continue
            if not np.isfinite([test.z, test.p_two_sided]).all():
                continue
            trial = Trial(
                series.mean,
                test.mean,
                test.sd,
                test.p_two_sided,
                draws,
                floor=least_beside(float(np.mean(series.baseline.mean)), result.i, result.j),
            )
            baseline = series.baselines[null]
            if null != "gaussian" and baseline.drawn is not None:
                drawn = baseline.drawn.astype(np.float64)  # W0's own make what shape flips have
                trial = replace(
                    trial,
                    drawn=drawn.mean(1) if baseline.in_place is None else drawn,
                    in_place=baseline.in_place,
                )
            about, aspect = f"{LABELS[matrix]} {_ABOUT[null]}", _ASPECTS[null]
            yield Claim(about, LABELS[matrix], PHI, null, trial, aspect)


def _deciding(series: LayerSeries) -> Sequence[str]:
    """The nulls that a verdict comes from."""
    return ("flipped",) if "flipped" in series.baselines else _WITHOUT_W0


def distinct(result: ComparisonResult) -> dict[str, LayerSeries]:
    """The series without ΔW's where its φ are B's, as they are at i = j = rank."""
    both = "B" in result and "delta" in result
    same = both and same_phi(result["B"].values, result["delta"].values)
    return {m: one for m, one in result.items() if not (same and m == "delta")}


def summary(result: ComparisonResult, findings: Sequence[Finding]) -> str:
    """Whether two adapters span alike, beside unrelated subspaces and beside other layers."""
    equal = [LABELS[m] for m, one in distinct(result).items() if one.values.min() > ONE]
    whole = [
        name for name, one in _named(result) if name in equal and np.min(one.baseline.mean) > ONE
    ]
    parts = []
    if same := [name for name in equal if name not in whole]:
        parts.append(f"{listed(same)} of the two adapters span the same in all layers")
    if whole:
        parts.append(
            f"{listed(whole)} of the two adapters span the whole space, as any of that rank do"
        )
    tested = [one for one in findings if one.label not in equal]
    if tested:
        kinds = [
            ([one for one in tested if one.claim.null == null], pattern)
            for null, pattern in _PATTERNS.items()
        ]
        parts.append(told(*kinds))
        words = {one.word for one in tested if one.claim.null in _WITHOUT_W0}
        parts += [ALONG_W0] * ("more" in words) + [APART_ON_W0] * ("less" in words)
    rest = [one for m, one in distinct(result).items() if LABELS[m] not in equal]
    if SAME_W0 in result.notes and rest:
        parts.insert(
            0,
            f"{_means(rest)}, which no null here can tell from what the same W0 makes of any two θ",
        )
    elif not parts:
        parts.append(f"{_means(rest)}, and nothing was tested{_why_nothing(rest)}")
    elif untested := [one for one in rest if one.together]:
        parts.append(f"{_means(untested)}, which was not tested, for {_why(untested)}")
    return f"{result.module}: {'; '.join(parts)}."


def _why_nothing(series: Sequence[LayerSeries]) -> str:
    if series and all(one.together for one in series):
        return f", for {_why(series)}"
    return ", for the draws of chance do not vary" if all(map(_still, series)) else ""


def _still(series: LayerSeries) -> bool:
    """Whether flips leave φ as it is, as of factors that lie on few of W0's own directions exactly."""
    test = series.tests.get("flipped")
    return test is not None and not np.isfinite(test.of_mean.z)


def _why(untested: Sequence[LayerSeries]) -> str:
    reasons = {
        "layers go together": any(
            one.of_one_theta or one.scatter > one.on_coordinates * AS_INDEPENDENT
            for one in untested
        ),
        "the two lie unevenly on the coordinates": any(one.on_coordinates > 1 for one in untested),
    }
    return " and ".join(reason for reason, holds in reasons.items() if holds)


def _named(result: ComparisonResult) -> list[tuple[str, LayerSeries]]:
    return [(LABELS[matrix], one) for matrix, one in distinct(result).items()]


def _means(series: Sequence[LayerSeries]) -> str:
    means = listed([f"{one.mean:.3f} for {LABELS[one.matrix]}" for one in series])
    return f"mean φ between the two adapters is {means}"
