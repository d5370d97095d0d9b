"""What is seen in φ between many adapters; `compare` gives a verdict on two.

Adapters that lie along the same W0's leading directions are beyond unrelated subspaces with nothing learnt
in common, and no other null is drawn for all pairs.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...chance.detectable import POWER
from ...chance.detectable_phi import detectable_deviations_of_phi
from ...chance.p_values import fewest_discoveries, fewest_draws
from ...chance.significance import LEVEL
from ...chance.verdict import Trial
from ...core.similarity.phi_by_chance import above_by_chance, least_of_mean
from ...several import counted
from ...show.findings import PHI, Claim, Finding, found, short, would_be_seen
from ...show.layout import LABELS
from ...show.wording import ALONG_W0, ENOUGH, ONE
from .result import MatrixResult


def beside_unrelated(result: MatrixResult) -> Finding | None:
    """Whether any pair is beyond unrelated subspaces: one test of all, their p corrected by Benjamini-Hochberg.

    Holm's correction over a thousand pairs would ask for twenty thousand draws. The smallest corrected p
    is at most .05 in one case of twenty where all are unrelated, so the one test holds its level too.
    """
    one, other = told_pair(result)
    pairs = len(result.pairs()[0])
    p, sd = float(result.p_bh[one, other]), float(result.gaussian_sd[one, other])
    if np.isnan(p) or not sd > 0:
        return None
    trial = Trial(
        value=float(result.values[one, other]),
        mean=float(result.gaussian_mean[one, other]),
        sd=sd,
        p=p,
        draws=result.draws,
    )
    names = f"{result.names[one]} and {result.names[other]}"
    about = (
        f"any of {pairs} pairs of adapters alike in {LABELS[result.matrix]} (Benjamini-Hochberg)"
    )
    tested = found([Claim(about, names, PHI, "gaussian", trial)])[0]
    return replace(tested, verdict=replace(tested.verdict, detectable=_alone(result)))


def told_pair(result: MatrixResult) -> tuple[int, int]:
    """The closest of the pairs that are beyond chance; where none is, that of the smallest p, or the closest without draws.

    The closest of all need not be it: where ranks differ, or layers lie alike, a higher φ can be less beyond chance.
    """
    at = result.pairs()
    p, p_bh = result.p[at], result.p_bh[at]
    if np.isnan(p).any():
        return result.closest(1)[0]
    z = np.nan_to_num(result.z[at], nan=-np.inf)
    found = p_bh <= LEVEL
    order = np.lexsort((-result.compared[at], ~found) if found.any() else (-z, p))
    return int(at[0][order[0]]), int(at[1][order[0]])


def _alone(result: MatrixResult) -> float | None:
    """The excess of one pair alone that is found in 80 of 100 cases, of those ranks where it takes the most.

    None where so few draws never find a single pair. Of one and the same subspace φ is 1, and is found.
    """
    at = result.pairs()
    level = LEVEL / len(at[0])
    mean, sd = result.gaussian_mean[at], result.gaussian_sd[at]
    least = least_of_mean(result.d, result.ranks)[at]
    kinds = np.unique(np.stack([mean, sd, least]), axis=1)
    kinds = kinds[:, (kinds[1] > 0) & (kinds[0] > kinds[2])]
    rare, common = (above_by_chance(kinds[0], kinds[1], p, kinds[2]) for p in (level, POWER))
    mean, sd, least = kinds[:, np.argmax(rare - common)].tolist()
    deviations = detectable_deviations_of_phi(
        ((mean - least) / sd) ** 2, level, result.draws, tails=1
    )
    return None if deviations is None else min(deviations * sd, 1 - mean)


def summary(result: MatrixResult) -> str:
    """How many pairs are beyond unrelated subspaces, the closest of them, and the clusters."""
    tested = beside_unrelated(result)
    seen = tested is not None and tested.word == "more"
    one, other = told_pair(result) if seen else result.closest(1)[0]
    pairs = len(result.pairs()[0])
    closest = f"{result.names[one]} and {result.names[other]}"
    value = result.values[one, other]
    text = f"{LABELS[result.matrix]} of {result.module}: "
    if tested is not None and seen:
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
        text += _unseen(result, tested)
    if pairs == 1:
        return f"{text}."
    arbitrary = ", an arbitrary cut: all merges are above chance" if result.cut == "gap" else ""
    return f"{text}; {clusters_told(result)}{arbitrary}."


def clusters_told(result: MatrixResult) -> str:
    """How many clusters, and at which cut where it is not where chance begins."""
    count = counted(len(set(result.clusters)), "cluster")
    if result.cut == "gap":
        return f"{count} at the tree's largest gap ({result.by} ≥ {result.cut_at:.3f})"
    return f"{count}, as many as asked for" if result.clusters_given else count


def _unseen(result: MatrixResult, tested: Finding | None) -> str:
    """What is said of no pair; never “no more than chance”, which is the verdict of a two-sided test of two.

    Here the highest of all pairs was held against unrelated subspaces, upper tail alone.
    """
    if tested is None:
        return ", and nothing was tested"
    if tested.verdict.detectable is None:
        return f", and {_too_few(result)}"
    return f"; no pair is seen above that ({would_be_seen([tested])})"


def _too_few(result: MatrixResult) -> str:
    """Where one pair alone is not found however alike it is: how many draws it takes, and what could be found."""
    pairs, draws = len(result.pairs()[0]), result.draws
    together = fewest_discoveries(pairs, draws, LEVEL)
    alone = f"{fewest_draws(LEVEL, tests=pairs)} are needed"
    if together > pairs:
        some = f", {fewest_draws(LEVEL)} if all {pairs} are as far above" if pairs > 1 else ""
        return (
            f"{draws} draws are too few to tell any pair from chance ({alone}{some}), so nothing could "
            f"be found"
        )
    which = f"all {pairs} pairs" if together == pairs else f"{together} or more of {pairs} pairs"
    return (
        f"no pair is seen above that: {draws} draws are too few to tell one pair alone from chance ({alone}), "
        f"so only {which} together could be found"
    )
