"""Table 2: each method's score on each task, the difference, and the tests of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ....several import counted
from ....show.layout import NONE, Table, p_value
from ....training.data.tasks import PAPER_METHODS, TASKS
from ...experiment.paper import COMPARED, NAMES, TASK_NAMES
from ...numbers.judged import Judged, pair_of
from ...numbers.scores import Paired, TaskScores, all_learnt, averages, paired
from ..equivalence_words import decidable, in_words, span


def score_table(
    tasks: list[TaskScores],
    base: str,
    judged: Mapping[str, Sequence[Judged]] | None = None,
    points: float = 1.0,
) -> Table:
    """A row a method and a column a task, in percent: mean ± sd over the seeds.

    Below, for CondLoRA less LoRA: the margin that rows and seeds can decide if the true errors are those
    estimated, the difference ± standard error over the seeds' pairs, p of the paired t-test, both intervals,
    p of TOST and what it says; then what a constant answer scores, the learning rates found, and the
    paper's scores. Runs that have not learnt their task are counted and listed, and in no mean; nor are
    tasks with such runs in the mean of all.

    Args:
        tasks: Scores.
        base: The base model.
        judged: Task to what is said of its pairs, where answers were compared by rows.
        points: The margin of equivalence, in points.
    """
    averaged = all_learnt(tasks)
    methods = [m for m in NAMES if m in PAPER_METHODS or any(m in task.scores for task in tasks)]
    pairs = [pair for pair in COMPARED if set(pair) <= set(methods)]
    rows = [
        *([NAMES[m], *(_score(task, m) for task in tasks), _average(averaged, m)] for m in methods),
        *(row for pair in pairs for row in _compared(tasks, averaged, pair, judged or {}, points)),
        ["constant answer", *(_percent(task.majority) for task in tasks), NONE],
        *(
            [f"learning rate, {NAMES[m]}", *(_rate(task, m) for task in tasks), NONE]
            for m in methods
        ),
        *(
            [f"{NAMES[m]}, paper", *_of_paper(tasks, averaged, index)]
            for index, m in enumerate(PAPER_METHODS)
        ),
    ]
    head = [base, *(TASK_NAMES[task.task] for task in tasks), "mean"]
    title = _title(tasks, averaged)
    if any((judged or {}).values()):
        title += ". Decidable margin: were there no difference and the true errors those estimated"
    return Table(title, head, rows)


def _compared(
    tasks: list[TaskScores],
    averaged: list[TaskScores],
    pair: tuple[str, str],
    judged: Mapping[str, Sequence[Judged]],
    points: float,
) -> list[list[str]]:
    one, other = pair
    paired_tasks = [task.paired(one, other) for task in tasks]
    overall = paired(averages(averaged, one), averages(averaged, other))
    found = [pair_of(judged.get(task.task, ()), one, other) for task in tasks]
    # More pairs than one need their names, for the lines are alike.
    of = "" if pair == COMPARED[0] else f", {NAMES[one]}"

    def line(head: str, cell: Callable[[Judged], str]) -> list[str]:
        return [head + of, *(NONE if d is None else cell(d) for d in found), NONE]

    return [
        line("decidable margin, 80 % power", decidable),
        [f"{NAMES[one]} − {NAMES[other]}", *map(_difference, paired_tasks), _difference(overall)],
        ["p, paired t-test" + of, *map(_p, paired_tasks), _p(overall)],
        line("95 % interval, rows", lambda d: span(d.difference.rows_interval)),
        line("95 % interval, rows and seeds", lambda d: span(d.both.interval)),
        line(f"p, equivalent within {points:g}", lambda d: p_value(d.both.p)),
        line("verdict", in_words),
    ]


def _title(tasks: list[TaskScores], averaged: list[TaskScores]) -> str:
    counts = [len(found) for task in tasks for found in task.scores.values()] or [0]
    seeds = f"{'up to ' * (min(counts) < max(counts))}{counted(max(counts), 'seed')}"
    title = (
        f"Test scores in percent, mean ± sd over {seeds} "
        "(Matthews correlation for CoLA, Pearson for STS-B, else accuracy); differences ± standard "
        "error. The paper's are RoBERTa-base's"
    )
    if len(averaged) < len(tasks):
        out = ", ".join(TASK_NAMES[task.task] for task in tasks if task not in averaged)
        title += f". Not in the mean, for not every run has learnt it: {out}"
    return title


def _percent(value: float) -> str:
    return NONE if math.isnan(value) else f"{100 * value:.1f}"


def _score(task: TaskScores, method: str) -> str:
    mean, sd, failed = task.mean(method), task.sd(method), task.not_learnt(method)
    scored = _percent(mean) if math.isnan(sd) else f"{_percent(mean)} ± {_percent(sd)}"
    listed = ", ".join(map(_percent, failed.values()))
    if not failed:
        return scored
    if math.isnan(mean):
        return f"not learnt ({listed})"
    return f"{scored}; {len(failed)} of {len(task.scores[method])} not learnt ({listed})"


def _average(tasks: list[TaskScores], method: str) -> str:
    found = list(averages(tasks, method).values())
    if not found:
        return NONE
    sd = f" ± {_percent(float(np.std(found, ddof=1)))}" if len(found) > 1 else ""
    return _percent(float(np.mean(found))) + sd


def _difference(found: Paired | None) -> str:
    if found is None:
        return NONE
    error = "" if math.isnan(found.standard_error) else f" ± {100 * found.standard_error:.1f}"
    return f"{100 * found.mean:+.1f}{error}"


def _p(found: Paired | None) -> str:
    return p_value(None if found is None else found.p)


def _rate(task: TaskScores, method: str) -> str:
    return f"{task.learning_rates[method]:.1e}" if method in task.learning_rates else NONE


def _of_paper(tasks: list[TaskScores], averaged: list[TaskScores], index: int) -> list[str]:
    found = {task.task: TASKS[task.task].paper_scores for task in tasks}
    known = [scores[index] for task in averaged if (scores := found[task.task])]
    mean = f"{np.mean(known):.1f}" if known and len(known) == len(averaged) else NONE
    return [*(f"{scores[index]:.1f}" if scores else NONE for scores in found.values()), mean]
