"""What is seen in φ between many adapters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...chance.significance import LEVEL
from ...chance.verdict import Trial
from ...show.findings import PHI, Claim, Finding, short
from ...show.layout import LABELS
from ...show.wording import ALONG_W0
from .result import MatrixResult


def claims(result: MatrixResult) -> list[Claim]:
    """Whether any two adapters are alike: one test of all pairs, their p corrected by Benjamini-Hochberg.

    Holm's correction over a thousand pairs would ask for twenty thousand draws. The smallest corrected p
    is at most .05 in one case of twenty where all is chance, so the one test holds its level too.
    """
    one, other = result.closest(1)[0]
    pairs = len(result.pairs()[0])
    p = result.p_bh[result.pairs()]
    sd = float(result.gaussian_sd[one, other])
    if np.isnan(p).any() or not sd > 0:
        return []
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
    return [Claim(about, names, PHI, "gaussian", trial)]


def summary(result: MatrixResult, findings: Sequence[Finding]) -> str:
    """How many pairs are alike beyond chance, the closest of them, and the clusters."""
    (one, other), *_ = result.closest(1)
    pairs = len(result.pairs()[0])
    closest = f"{result.names[one]} and {result.names[other]}"
    value = result.values[one, other]
    text = f"{LABELS[result.matrix]} of {result.module}: "
    if findings and findings[0].word == "more":
        count = int((result.p_bh[result.pairs()] <= LEVEL).sum())
        text += (
            f"{count} of {pairs} pairs of adapters are more alike than unrelated subspaces would be "
            f"(Benjamini-Hochberg at {LEVEL}), the closest {closest}: {findings[0].size}; {ALONG_W0}"
        )
    else:
        text += f"the closest of {len(result)} adapters are {closest} at φ = {short(value)} of 1"
        text += f", by chance {short(float(result.gaussian_mean[one, other]))}"
        text += _unseen(findings, result.draws)
    clusters = len(set(result.clusters))
    return f"{text}; {clusters} cluster{'' if clusters == 1 else 's'}."


def _unseen(findings: Sequence[Finding], draws: int) -> str:
    if not findings:
        return ", and nothing was tested"
    if (reach := findings[0].verdict.detectable) is None:
        return f", which {draws} draws are too few to tell from chance, so nothing could be found"
    return (
        f", which is not told from chance (an excess of {short(reach)} would have been seen in 80 of "
        f"100 cases)"
    )
