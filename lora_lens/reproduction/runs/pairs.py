"""Two methods' answers to the same test rows: how the difference of their scores varies over rows and seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ...errors import DataError
from ...show.text import as_json
from ...staging import staged
from ...training.data import Task, open_data
from ...training.data.metrics import Metric
from ...training.record import read_record
from ..experiment.config import Config
from ..numbers.learnt import least_learnt
from .scored import read_evaluation
from .steps import ANSWERS_NAME, Step

_SAME_SCORE = 1e-9
_BATCH = 500  # resamples that are held in memory at once
_SEED = 0


@dataclass(frozen=True)
class RowsBootstrap:
    """How two methods' difference varies when the test rows are drawn anew, the adapters as they are.

    Attributes:
        differences: One score less the other, seed by seed.
        covariance: Of those over the resamples, (seed, seed).
        interval: Of their mean over the seeds, 95 %, by percentiles.
    """

    differences: tuple[float, ...]
    covariance: NDArray[np.float64]
    interval: tuple[float, float]


def paired_bootstrap(
    one: Sequence[NDArray[np.float64]],
    other: Sequence[NDArray[np.float64]],
    labels: NDArray[np.float64],
    metric: Metric,
    *,
    draws: int,
    rng: np.random.Generator,
) -> RowsBootstrap:
    """Draw the test rows anew: in every draw the same rows for both methods and all seeds.

    Args:
        one, other: What each seed's adapter answers, (row, class) or (row, 1), as the metric takes it.
        labels: (row,).
        metric: Of both.
        draws: Resamples.
        rng: Of the draws.
    """

    def differences(rows: NDArray[np.int64]) -> list[float]:
        drawn = labels[rows]
        return [
            metric(mine[rows], drawn) - metric(theirs[rows], drawn)
            for mine, theirs in zip(one, other, strict=True)
        ]

    def statistic(rows: NDArray[np.int64], axis: int = -1) -> NDArray[np.float64]:
        each = np.moveaxis(np.apply_along_axis(differences, axis, rows), axis, 0)
        return np.concatenate([each, each.mean(0, keepdims=True)])

    found = stats.bootstrap(
        (np.arange(len(labels)),),
        statistic,
        vectorized=True,
        n_resamples=draws,
        batch=_BATCH,
        method="percentile",
        random_state=rng,
    )
    drawn = found.bootstrap_distribution
    low, high = found.confidence_interval.low[-1], found.confidence_interval.high[-1]
    return RowsBootstrap(
        tuple(differences(np.arange(len(labels)))),
        np.atleast_2d(np.cov(drawn[:-1])),
        (float(low), float(high)),
    )


def can_be_paired(runs: Sequence[Step]) -> bool:
    """Whether the answers of the runs were kept row by row; older runs' were not."""
    return all((run.folder / ANSWERS_NAME).exists() for run in runs)


def is_current(record: Path, config: Config, runs: Sequence[Step]) -> bool:
    """Whether a record is of just these runs, drawn as often as the configuration says."""
    found: Any = read_record(record)
    return bool(
        found["scores"] == given_scores(runs) and found["draws"] == config.equivalence.draws
    )


def compare_rows(config: Config, task: str, runs: Sequence[Step], record: Path) -> None:
    """Write ``pairs/TASK.json``: of every two methods that are compared how their difference varies.

    Labels are needed for that, and none is written down.

    Raises:
        DataError: The data are not there, or others: the answers do not make the scores that the runs were given.
        RecordError: What a run left behind is missing or broken.
    """
    known, splits = open_data(task, config.data, None)
    labels = np.array([example.label for example in splits.test], dtype=np.float64)
    answered: dict[str, dict[int, NDArray[np.float64]]] = {}
    for run in runs:
        found = _answers(run, known, labels)
        if found is not None:
            answered.setdefault(run.of_method, {})[run.seed or 0] = found
    pairs = []
    for one, other in config.pairs:
        mine, theirs = answered.get(one, {}), answered.get(other, {})
        seeds = sorted(set(mine) & set(theirs))
        if not seeds:
            continue
        drawn = paired_bootstrap(
            [mine[seed] for seed in seeds],
            [theirs[seed] for seed in seeds],
            labels,
            known.metric,
            draws=config.equivalence.draws,
            rng=np.random.default_rng(_SEED),
        )
        pairs.append(
            {
                "one": one,
                "other": other,
                "seeds": seeds,
                "differences": list(drawn.differences),
                "covariance": drawn.covariance.tolist(),
                "interval": list(drawn.interval),
            }
        )
    written = {
        "task": task,
        "metric": known.metric.__name__,
        "rows": len(labels),
        "draws": config.equivalence.draws,
        "scores": given_scores(runs),
        "pairs": pairs,
        "data_sha256": splits.checksums,
        "versions": {name: version(name) for name in ("numpy", "scipy", "lora-lens")},
    }
    with staged(record.parent) as folder:
        (folder / record.name).write_text(as_json(written), encoding="utf-8")


def _answers(run: Step, task: Task, labels: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """What the run's adapter answers, as a metric takes it; None if it has not learnt the task."""
    evaluation = read_evaluation(run.folder)
    answers: Any = read_record(run.folder / ANSWERS_NAME, "answers")["answers"]
    if len(answers) != len(labels):
        raise DataError(
            f"{run.folder} has answers to {len(answers)} rows, the task has {len(labels)}; "
            f"give the data that it was scored on"
        )
    if task.labels is None:
        found = np.array(answers, dtype=np.float64)[:, None]
    else:
        found = np.eye(len(task.labels))[np.array(answers, dtype=np.int64)]
    score = task.metric(found, labels)
    if abs(score - evaluation["score"]) > _SAME_SCORE:
        raise DataError(
            f"the answers in {run.folder} score {score} on these rows, and {evaluation['score']} when "
            f"they were given; give the data that it was scored on"
        )
    least = least_learnt(task.name, evaluation["metric"], evaluation["majority_score"], len(labels))
    return found if score > least else None


def given_scores(runs: Sequence[Step]) -> dict[str, float]:
    """Name of each run to the score that it was given."""
    return {run.folder.name: float(read_record(run.record, "score")["score"]) for run in runs}
