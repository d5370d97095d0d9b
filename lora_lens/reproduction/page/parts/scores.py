"""The page's parts about scores: Table 2 with what each task says, and whether the runs are long enough."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from ....several import counted
from ....show.layout import Table, p_text
from ....show.wording import listed
from ....training.data import TASKS
from ...experiment.config import Config
from ...experiment.paper import NAMES, TASK_NAMES
from ...numbers.learnt import WORDS
from ...numbers.longer import LongerRun
from ...numbers.scores import TaskScores
from ...runs.collect import Found
from ..equivalence_words import points, sentence
from ..sheet import NOTHING, shown

LEARNT = f"{WORDS[0].upper()}{WORDS[1:]}. Runs that have not are listed, and are in no mean."


def scores_part(found: Found, tables: Mapping[str, Table]) -> Iterator[str]:
    """Table 2, a sentence a task that says first what can be decided, and the test of equivalence."""
    yield shown(tables["table2"])
    yield "\n".join(f"- {_of_task(found, task)}" for task in found.scores)
    if "equivalence" in tables:
        yield shown(tables["equivalence"])
    yield LEARNT


def arms_part(found: Found, tables: Mapping[str, Table], *, alone: bool) -> Iterator[str]:
    """The arms' scores, and where no methods stand beside them the test of equivalence of the first against each."""
    if "arms" not in tables:
        yield NOTHING
        return
    yield shown(tables["arms"])
    failed = [
        f"{TASK_NAMES[task.task]} by {NAMES[arm]} with seed {seed} ({100 * score:.1f})"
        for task in found.scores
        for arm in task.scores
        for seed, score in task.not_learnt(arm).items()
    ]
    if not alone:
        return
    if "equivalence" in tables:
        yield shown(tables["equivalence"])
    if failed:
        yield f"Not learnt: {', '.join(failed)}."
    yield LEARNT


def _of_task(found: Found, task: TaskScores) -> str:
    named = TASK_NAMES[task.task]
    failed = [
        f"{NAMES[method]} with seed {seed} ({100 * score:.1f})"
        for method in task.scores
        for seed, score in task.not_learnt(method).items()
    ]
    said = []
    if failed:
        said.append(f"Not learnt, at {100 * task.least:.1f} or below: {', '.join(failed)}.")
    papers = TASKS[task.task].paper_scores
    judged = found.judged.get(task.task, [])
    said += [
        sentence(
            task.task,
            one,
            papers[1] - papers[0]
            if papers and (one.difference.one, one.difference.other) == ("condlora", "lora")
            else None,
        )
        for one in judged
    ]
    if not judged:
        said.append(_without_rows(found, task))
    said += [
        f"Not finished: more epochs gain {100 * one.gain:.1f} points on the development rows by {NAMES[one.method]} with seed {one.seed} (below); "
        "the scores here are of the fewer, in the mean over tasks, too."
        for one in found.longer
        if (one.task, one.verdict) == (task.task, "not finished")
    ]
    text = " ".join(said)
    return text if text.startswith("**") else f"**{named}**: {text}"


def _without_rows(found: Found, task: TaskScores) -> str:
    difference = task.paired("condlora", "lora")
    why = (
        "No comparison by rows: the answers were not kept."
        if task.task in found.unpaired
        else "The comparison by rows is not there yet."
    )
    if unfinished := [NAMES[m] for m in ("lora", "condlora") if not task.scores.get(m)]:
        return f"{listed(unfinished)} {'has' if len(unfinished) == 1 else 'have'} no finished run of it yet."
    if difference is None:
        return f"No seed of both methods has learnt it. {why}"
    p = "" if math.isnan(difference.p) else f", {p_text(difference.p)} of the paper's paired t-test"
    return (
        f"CondLoRA less LoRA is {points(difference.mean)} points over "
        f"{counted(difference.seeds, 'seed')}{p}. {why}"
    )


def longer_part(config: Config, found: Found, tables: Mapping[str, Table]) -> Iterator[str]:
    """What twice the epochs bring."""
    if not config.longer.seeds:
        yield (
            "A learning rate that falls to 0 makes every curve end flat, so that curves do not tell. This "
            "configuration has no runs of more epochs: whether its own are long enough is not known."
        )
        return
    if "longer" not in tables:
        yield NOTHING
        return
    yield shown(tables["longer"])
    yield " ".join(_longer_said(found.longer, _not_yet(found)))


def _not_yet(found: Found) -> list[str]:
    """Tasks by methods whose runs are there, but none of more epochs."""
    asked = {(one.task, one.method) for one in found.longer}
    return [
        _named(task.task, method)
        for task in found.scores
        for method in task.scores
        if (task.task, method) not in asked
    ]


def _named(task: str, method: str) -> str:
    return f"{TASK_NAMES[task]} by {NAMES[method]}"


def _of_both(found: Sequence[LongerRun]) -> Iterator[str]:
    """What the further epochs make of the difference of the two methods' test scores."""
    by_method = {(one.task, one.seed, one.method): one for one in found if one.learnt}
    for (task, seed, method), ours in by_method.items():
        lora = by_method.get((task, seed, "lora"))
        # Epochs are each method's own.
        if method != "condlora" or lora is None:
            continue
        yield (
            f"On {TASK_NAMES[task]}'s test rows CondLoRA less LoRA with seed {seed} is "
            f"{points(ours.longer_test - lora.longer_test)} points with more epochs, where it was "
            f"{points(ours.test - lora.test)} (one seed, whose error is not reckoned here)."
        )


def _longer_said(found: Sequence[LongerRun], not_yet: Sequence[str]) -> Iterator[str]:
    several = len({one.seed for one in found}) > 1
    for words, verdict in (
        ("More epochs gain less than half a point on the development rows", "finished"),
        (
            "More epochs gain half a point or more, so that these runs do not count as finished",
            "not finished",
        ),
        ("Not learnt with more epochs either", "not learnt"),
    ):
        named = [
            _named(one.task, one.method) + f" (seed {one.seed})" * several
            for one in found
            if one.verdict == verdict
        ]
        if named:
            yield f"{words}: {', '.join(named)}."
    if not_yet:
        yield f"Not known yet, for there is no run of more epochs: {', '.join(not_yet)}."
    yield from _of_both(found)
    yield (
        "That is a rule, and no test: where more epochs change nothing, one seed's score on some hundreds of development rows gains half a "
        "point by chance in about every other case, the best of more evaluations being a little higher, too; and where they bring two "
        "points of accuracy it gains less in about every tenth (`tests/reproduction/test_longer.py` simulates both)."
    )
