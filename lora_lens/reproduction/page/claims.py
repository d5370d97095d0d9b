"""The paper's claims beside what was found: what agrees, what does not, what cannot be told."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from ...chance.p_values import holm
from ...several import counted
from ...show.layout import p_text
from ..experiment.config import Config
from ..experiment.paper import NAMES, TABLE_4, TASK_NAMES
from ..numbers.analysis_records import Analyses, Record, answers
from ..numbers.conversions import taken_together
from ..numbers.equivalence import errors_of, p_of_none
from ..numbers.judged import Judged, pair_of
from ..numbers.scores import TaskScores
from ..numbers.shares import Share, predicted_shares, too_few_flips
from ..numbers.table3 import profile
from ..runs.collect import Found
from .equivalence_words import in_words, points
from .missed import missed

Verdict = Literal["agrees", "does not agree", "cannot be told"]
_RELATION = "… and that is a relation of W0 and the trained factors"
_PAPERS_LEVEL = 0.01
_CORRECTED = 0.05
_FAR = 0.2  # φ up to which two subspaces count as largely different
_TIMING = 0.02  # of a median of the rounds' ratios: what is taken for its noise
_STEPS = 50  # of each method, from which on it is


class Claim(NamedTuple):
    """One of the paper's claims, what is found here, and whether they agree."""

    claim: str
    here: str
    verdict: Verdict


class _Learnt(NamedTuple):
    """The analyses of runs that have learnt their task; all of them, and no claim, where none has.

    Attributes:
        analyses: These.
        any: Whether there is one.
        said: Which were left out; empty where none was.
    """

    analyses: Analyses
    any: bool
    said: str

    def claim(self, claim: str, here: str, verdict: Verdict) -> Claim:
        """What is found in them."""
        return Claim(claim, here + self.said, verdict if self.any else "cannot be told")


def claims(config: Config, found: Found) -> list[Claim]:
    """Those of the paper's claims of which something is found yet."""
    listed = [*_scores(found)]
    if found.speed:
        listed += _table4(found.speed, _layers(config, found.analyses))
    for module in config.analysis.modules if found.analyses else ():
        listed += _conversions(found, module, config.analysis.modules)
        if "condlora" in config.methods:
            listed.append(_subspaces(_learnt(found, "lora", "condlora"), module))
    return listed


def _learnt(found: Found, *methods: str) -> _Learnt:
    """Of tasks and seeds that every one of these methods has learnt."""
    seeds = {
        one.task: set.intersection(*(set(one.learnt(method)) for method in methods))
        for one in found.scores
    }
    kept, left = dict[str, dict[int, Record]](), list[str]()
    for task, records in found.analyses.items():
        own = {seed: one for seed, one in records.items() if seed in seeds.get(task, ())}
        if own:
            kept[task] = own
        lost = [f" with seed {seed}" for seed in records if seed not in own] if own else [""]
        left += [f"{TASK_NAMES[task]}{which}" for which in lost]
    if not kept:
        said = "; no run of these is known to have learnt its task"
        return _Learnt(found.analyses, any=False, said=said)
    return _Learnt(
        kept, any=True, said=f"; not learnt, and left out: {', '.join(left)}" if left else ""
    )


def _scores(found: Found) -> Iterator[Claim]:
    learnt = [task for task in found.scores if task.paired("condlora", "lora") is not None]
    if not learnt:
        return
    said, verdicts, apart = [], [], []
    for task in learnt:
        pair = pair_of(found.judged.get(task.task, ()), "condlora", "lora")
        if pair is None:
            words, its = _by_the_papers_test(task)
        else:
            words = f"{points(pair.difference.mean)}, {in_words(pair)}"
            its = pair.both.verdict
        said.append(f"{TASK_NAMES[task.task]} {words}")
        verdicts.append(its)
        apart.append(_apart(task, pair))
    not_learnt = [TASK_NAMES[task.task] for task in found.scores if task not in learnt]
    if not_learnt:
        said.append(f"not learnt: {', '.join(not_learnt)}")
    not_finished = [
        f"{TASK_NAMES[one.task]} by {NAMES[one.method]}"
        for one in found.longer
        if one.verdict == "not finished" and one.method in {"lora", "condlora"}
    ]
    if not_finished:
        said.append(f"not finished: {', '.join(dict.fromkeys(not_finished))}")
    yield Claim(
        "CondLoRA scores as LoRA does (Table 2)", "; ".join(said), _together(verdicts, apart)
    )


def _apart(task: TaskScores, pair: Judged | None) -> float:
    """p that the two methods are one, by rows and seeds; where there are no answers the paper's, as far below its own level."""
    if pair is not None:
        return p_of_none(pair.difference.mean, errors_of(pair.difference))
    difference = task.paired("condlora", "lora")
    return math.nan if difference is None else difference.p * _CORRECTED / _PAPERS_LEVEL


def _by_the_papers_test(task: TaskScores) -> tuple[str, str]:
    """Without answers to every row: a small p tells the methods apart, and a large one nothing."""
    difference = task.paired("condlora", "lora")
    mean, p = (math.nan, math.nan) if difference is None else (difference.mean, difference.p)
    apart = p <= _PAPERS_LEVEL
    shown = "no test" if math.isnan(p) else p_text(p)
    return f"{points(mean)}, {shown}, not tested for equivalence", "different" if apart else "open"


def _together(verdicts: Sequence[str], apart: Sequence[float]) -> Verdict:
    """Of all tasks: does not agree where some task's difference stands at 5 % after Holm's correction over them."""
    p = holm(np.array([one if math.isfinite(one) else 1.0 for one in apart]))
    # What is within the margin agrees, though it be told from 0.
    beyond = [not one.startswith("equivalent") for one in verdicts]
    if (p[beyond] <= _CORRECTED).any():
        return "does not agree"
    return "agrees" if all(one.startswith("equivalent") for one in verdicts) else "cannot be told"


def _layers(config: Config, analyses: Analyses) -> int | None:
    """How many layers an adapter has of each module; None where nothing is analysed yet."""
    first = next(answers(analyses, config.analysis.modules[0], "similarity"), None)
    return None if first is None else len(first.found["layers"])


def _table4(speed: Mapping[str, Any], layers: int | None) -> Iterator[Claim]:
    methods = speed["methods"]
    if not {"lora", "condlora"} <= set(methods):
        return
    mine, theirs = (methods[name]["trainable_parameters"] for name in ("lora", "condlora"))
    times = mine / theirs
    fewer: Verdict = "agrees" if times == layers else "does not agree"
    yield Claim(
        "CondLoRA has 1/12 of LoRA's parameters, one θ for twelve layers",
        f"1/{times:g}: {theirs:,} of {mine:,}" + (f", {layers} layers" if layers else ""),
        fewer if layers else "cannot be told",
    )
    faster, steps = speed["condlora_over_lora"], speed["steps"]
    paper = TABLE_4["condlora"][1] / TABLE_4["lora"][1]
    claim, here = f"CondLoRA trains {paper:.3f} times as fast (Table 4)", f"{faster:.3f} times"
    if steps < _STEPS:
        few = f"{counted(steps, 'step')} of each in turn, too few to tell; {_STEPS} are needed"
        yield Claim(claim, f"{here}, {few}", "cannot be told")
        return
    slower: Verdict = "does not agree" if faster < 1 - _TIMING else "cannot be told"
    yield Claim(claim, f"{here}, steps in turn", "agrees" if faster > 1 + _TIMING else slower)


def _conversions(found: Found, module: str, modules: Sequence[str]) -> Iterator[Claim]:
    """`modules`: all of which the same is asked, for the correction."""
    learnt = _learnt(found, "lora")
    taken = taken_together(learnt.analyses, module)
    alike, count = sum(one.found_gaussian for one in taken), sum(one.adapters for one in taken)
    yield learnt.claim(
        f"LoRA's conversions are alike across layers beside unrelated subspaces (Figure 1), {module}",
        f"so are {alike} of {count} factors",
        "agrees" if alike == count else "cannot be told",
    )
    # Corrected over all of them, as the page's part about them is.
    shares = [one for one in predicted_shares(found.analyses, modules) if one.method == "lora"]
    if shares:
        own = [one for one in shares if one.module == module]
        told = [one for one in own if one.seed in learnt.analyses.get(one.task, ())]
        yield from _shared(told, learnt, module, too_few_flips(shares))
        return
    tests = 2 * len(modules)
    for one in taken:
        p = min(1.0, tests * one.p)
        beyond = p <= _CORRECTED and one.excess > 0
        said = f"{one.excess:+.3f} beyond random factors through the same W0 ({p_text(p)} of all, corrected for {tests} rows)"
        blind = "" if beyond else "; this test misses most of what there may be, see below"
        yield learnt.claim(
            f"{_RELATION}, {module}, {one.matrix}",
            said.replace("-", "−") + blind,
            "agrees" if beyond else "cannot be told",
        )


def _shared(shares: Sequence[Share], learnt: _Learnt, module: str, too_few: str) -> Iterator[Claim]:
    """Asked forwards, in the factors' own space, which can see it: of each factor by itself."""
    for matrix in ("A", "B"):
        rows = [one for one in shares if one.matrix == matrix]
        if not rows:
            continue
        beyond = [one for one in rows if one.beyond]
        share, flipped = np.mean([(one.share, one.flipped) for one in rows], axis=0)
        said = f"one layer fitted to the others predicts {share:.3f} of {matrix} where chance gives {flipped:.3f}"
        if too_few:
            said += f"; {too_few}"
        else:
            said += f", beyond it in {len(beyond)} of {len(rows)} adapters"
            said += f", where {seen}" if (seen := missed(rows)) else ""
        yield learnt.claim(
            f"{_RELATION}, {module}, {matrix}",
            said,
            "agrees" if len(beyond) == len(rows) else "cannot be told",
        )


def _subspaces(learnt: _Learnt, module: str) -> Claim:
    means = [
        float(np.mean(profile(seeds, module, matrix)))
        for seeds in learnt.analyses.values()
        for matrix in ("A", "B", "delta")
    ]
    return learnt.claim(
        f"LoRA's and CondLoRA's own subspaces differ (Table 3), {module}",
        f"mean φ of {min(means):.3f} to {max(means):.3f}, of at most 1",
        "agrees" if max(means) <= _FAR else "does not agree",
    )
