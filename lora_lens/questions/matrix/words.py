"""What is seen in φ between many adapters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...chance.significance import LEVEL
from ...chance.verdict import Trial
from ...show.findings import PHI, Claim, Finding, found, short, too_few, would_be_seen
from ...show.layout import LABELS
from ...show.wording import ALONG_W0, ENOUGH, ONE
from .result import MatrixResult


def claims(_: MatrixResult) -> list[Claim]:
    """None: `compare` gives a verdict on two.

    Adapters that lie along the same W0's leading directions are beyond unrelated subspaces with nothing learnt
    in common, and no other null is drawn for all pairs.
    """
    return []


def beside_unrelated(result: MatrixResult) -> Finding | None:
    """Whether any pair is beyond unrelated subspaces: one test of all, their p corrected by Benjamini-Hochberg.

    Holm's correction over a thousand pairs would ask for twenty thousand draws. The smallest corrected p
    is at most .05 in one case of twenty where all are unrelated, so the one test holds its level too.
    """
    one, other = result.closest(1)[0]
    pairs = len(result.pairs()[0])
    p = result.p_bh[result.pairs()]
    sd = float(result.gaussian_sd[one, other])
    if np.isnan(p).any() or not sd > 0:
        return None
    alone = pairs / (result.draws + 1) <= LEVEL  # else a single pair is not found, however high
    trial = Trial(
        value=float(result.values[one, other]),
        mean=float(result.gaussian_mean[one, other]),
        sd=sd if alone else float("nan"),
        p=float(p.min()),
        draws=result.draws,
        ways=pairs,
    )
    names = f"{result.names[one]} and {result.names[other]}"
    about = (
        f"any of {pairs} pairs of adapters alike in {LABELS[result.matrix]} (Benjamini-Hochberg)"
    )
    return found([Claim(about, names, PHI, "gaussian", trial)])[0]


def summary(result: MatrixResult, _: Sequence[Finding]) -> str:
    """How many pairs are beyond unrelated subspaces, the closest of them, and the clusters."""
    one, other = result.closest(1)[0]
    pairs = len(result.pairs()[0])
    closest = f"{result.names[one]} and {result.names[other]}"
    value = result.values[one, other]
    text = f"{LABELS[result.matrix]} of {result.module}: "
    tested = beside_unrelated(result)
    if tested is not None and tested.word == "more":
        above = result.p_bh[result.pairs()] <= LEVEL
        count = int(above.sum())
        have = (
            "pair has"
            if pairs == 1
            else f"{count} of {pairs} pairs {'has' if count == 1 else 'have'}"
        )
        text += (
            f"{'the ' if pairs == 1 else ''}{have} a φ above that of unrelated subspaces "
            f"(Benjamini-Hochberg at {LEVEL}), the closest {closest}: {tested.size}"
        )
        # One W0 makes no two θ the same.
        if (result.values[result.pairs()][above] <= ONE).any():
            enough = ALONG_W0 if value <= ONE else f"of a φ below 1 {ENOUGH}"
            text += f"; {enough}, and `compare` tests what two share beyond it"
    else:
        text += f"the closest of {len(result)} adapters are {closest} at φ = {short(value)} of 1"
        text += f", where unrelated subspaces have {short(float(result.gaussian_mean[one, other]))}"
        text += _unseen(tested)
    clusters = len(set(result.clusters))
    return f"{text}; {clusters} cluster{'' if clusters == 1 else 's'}."


def _unseen(tested: Finding | None) -> str:
    """What is said of no pair; never “no more than chance”, which is the verdict of a two-sided test of two.

    Here the highest of all pairs was held against unrelated subspaces, upper tail alone.
    """
    if tested is None:
        return ", and nothing was tested"
    if tested.hopeless:
        return f", and {too_few([tested], 'any pair')}"
    return f"; no pair is seen above that ({would_be_seen([tested])})"
