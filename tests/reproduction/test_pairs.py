"""The paired bootstrap over rows against one made by hand, and what a comparison refuses."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from glue_folder import write_rte

from lora_lens.errors import DataError
from lora_lens.reproduction.experiment.config import Equivalence
from lora_lens.reproduction.experiment.config_file import read_config
from lora_lens.reproduction.runs import pairs
from lora_lens.reproduction.runs.collect import row_differences
from lora_lens.reproduction.runs.done import steps_done
from lora_lens.reproduction.runs.steps import runs_of
from lora_lens.training.data import open_data
from lora_lens.training.data.metrics import accuracy, matthews, pearson


def by_hand(one, other, labels, score, draws: int):
    """Weights in the place of drawn rows, moments in the place of a metric: no line of the other route."""
    rng = np.random.default_rng(11)
    n = len(labels)
    weights = rng.multinomial(n, np.full(n, 1 / n), size=draws) / n
    return np.array(
        [score(weights, x, labels) - score(weights, z, labels) for x, z in zip(one, other, strict=True)]
    )  # fmt: skip


def weighted_correlation(w, x, y):
    mx, my = w @ x, w @ y
    return (w @ (x * y) - mx * my) / np.sqrt((w @ x**2 - mx**2) * (w @ y**2 - my**2))


def weighted_accuracy(w, x, y):
    return w @ (x == y)


def made_up(kind: str):
    rows = 400
    rng = np.random.default_rng(5)
    if kind == "pearson":
        y = rng.normal(size=rows)
        hard = rng.normal(size=rows)  # rows that are hard for every adapter
        answers = [0.9 * y + 0.3 * hard + s * rng.normal(size=rows) for s in (0.3, 0.35, 0.4, 0.3)]
        return y, answers, [a[:, None] for a in answers], pearson, weighted_correlation
    y = (rng.random(rows) < 0.6).astype(float)
    wrong = rng.random((4, rows)) < 0.05 + 0.2 * rng.random(rows)
    answers = [np.where(w, 1 - y, y) for w in wrong]
    logits = [np.stack([1 - a, a], axis=1) for a in answers]
    if kind == "matthews":
        return y, answers, logits, matthews, weighted_correlation
    return y, answers, logits, accuracy, weighted_accuracy


@pytest.mark.parametrize("kind", ["accuracy", "matthews", "pearson"])
def test_the_bootstrap_is_one_made_by_hand(kind: str) -> None:
    labels, answers, predicted, metric, score = made_up(kind)
    found = pairs.paired_bootstrap(
        predicted[:2], predicted[2:], labels, metric, draws=4000, rng=np.random.default_rng(0)
    )
    drawn = by_hand(answers[:2], answers[2:], labels, score, 4000)
    whole = np.full((1, len(labels)), 1 / len(labels))
    exact = [score(whole, a, labels)[0] - score(whole, b, labels)[0] for a, b in zip(answers[:2], answers[2:], strict=True)]  # fmt: skip
    np.testing.assert_allclose(found.differences, exact, atol=1e-12)
    # Two bootstraps of 4000: a variance is good to √(2/4000), 2.2 %, an end of the interval to 5 % of sd.
    scale = drawn.var(1, ddof=1).mean()
    np.testing.assert_allclose(found.covariance, np.cov(drawn), atol=0.1 * scale)
    low, high = np.quantile(drawn.mean(0), [0.025, 0.975])
    sd = drawn.mean(0).std()
    assert found.interval == pytest.approx((low, high), abs=0.2 * sd)


def test_rows_are_paired_and_shared_by_the_seeds() -> None:
    """The same answers by both methods differ by nothing, whatever the rows; so does a seed from itself."""
    labels, _, predicted, metric, _ = made_up("accuracy")
    same = pairs.paired_bootstrap(
        predicted[:2], predicted[:2], labels, metric, draws=200, rng=np.random.default_rng(0)
    )
    assert same.interval == (0.0, 0.0)
    assert not same.covariance.any()
    twice = pairs.paired_bootstrap(
        predicted[:1] * 2, predicted[2:3] * 2, labels, metric, draws=200, rng=np.random.default_rng(0)
    )  # fmt: skip
    np.testing.assert_allclose(twice.covariance, twice.covariance[0, 0])


@pytest.fixture
def experiment(tmp_path: Path):
    """Two seeds of both methods with answers, as a pipeline leaves them."""
    write_rte(tmp_path / "glue", train=40, dev=200)
    config = replace(
        read_config("smoke"), data=str(tmp_path / "glue"), equivalence=Equivalence(draws=300)
    )
    _, splits = open_data("rte", config.data, None)
    labels = [example.label for example in splits.test]
    rng = np.random.default_rng(0)
    runs = runs_of(config, tmp_path / "out", "rte")
    for run in runs:
        answers = [int(label if rng.random() < 0.8 else 1 - label) for label in labels]
        score = float(np.mean(np.array(answers) == labels))
        run.folder.mkdir(parents=True)
        evaluation = {"score": score, "majority_score": 0.5, "metric": "accuracy", "rows": 200}
        (run.folder / "evaluation.json").write_text(json.dumps(evaluation))
        (run.folder / "answers.json").write_text(json.dumps({"answers": answers}))
    return config, runs, tmp_path / "out" / "pairs" / "rte.json", tmp_path / "out"


def test_the_record_holds_no_label_and_is_read_again(experiment) -> None:
    config, runs, record, out = experiment
    pairs.compare_rows(config, "rte", runs, record)
    written = json.loads(record.read_text())
    assert written["rows"] == 200
    assert max(len(str(value)) for value in written["pairs"][0].values()) < 200
    (found,) = row_differences(steps_done(config, out))["rte"]
    scores = written["scores"]
    assert found.seeds == (0, 1)
    assert found.each == pytest.approx(
        [scores[f"rte-condlora-{seed}"] - scores[f"rte-lora-{seed}"] for seed in (0, 1)]
    )
    # Of two accuracies the variance is that of a row's difference over the rows.
    assert found.rows_error == pytest.approx(0.028, rel=0.3)
    assert pairs.is_current(record, config, runs)
    assert not pairs.is_current(record, replace(config, equivalence=Equivalence(draws=301)), runs)


def test_a_run_that_was_made_anew_makes_the_record_stale(experiment) -> None:
    config, runs, record, out = experiment
    pairs.compare_rows(config, "rte", runs, record)
    evaluation = json.loads((runs[0].folder / "evaluation.json").read_text()) | {"score": 0.123}
    (runs[0].folder / "evaluation.json").write_text(json.dumps(evaluation))
    assert not pairs.is_current(record, config, runs)
    assert row_differences(steps_done(config, out)) == {}


def test_a_comparison_is_done_where_it_is_of_the_runs_that_are_there(experiment) -> None:
    """A seed that came since makes it stale, and so does a run that is gone; one that is still to come does not."""
    config, runs, record, out = experiment

    def done(config) -> bool:
        (found,) = (done for step, done in steps_done(config, out) if step.kind == "pairs")
        return found

    assert not done(config)
    first = [run for run in runs if run.seed == 0]
    pairs.compare_rows(config, "rte", first, record)
    assert done(replace(config, seeds=(0,)))
    assert not done(config)
    pairs.compare_rows(config, "rte", runs, record)
    assert done(config)
    assert done(replace(config, seeds=(0, 1, 2)))
    assert not done(replace(config, equivalence=Equivalence(draws=301)))
    (runs[0].folder / "evaluation.json").unlink()
    assert not done(config)


def test_runs_that_have_not_learnt_the_task_are_not_compared(experiment) -> None:
    config, runs, record, out = experiment
    bad = next(run for run in runs if (run.method, run.seed) == ("lora", 1))
    _, splits = open_data("rte", config.data, None)
    constant = [0] * 200
    score = float(np.mean([example.label == 0 for example in splits.test]))
    evaluation = json.loads((bad.folder / "evaluation.json").read_text()) | {"score": score}
    (bad.folder / "evaluation.json").write_text(json.dumps(evaluation | {"majority_score": score}))
    (bad.folder / "answers.json").write_text(json.dumps({"answers": constant}))
    pairs.compare_rows(config, "rte", runs, record)
    assert row_differences(steps_done(config, out))["rte"][0].seeds == (0,)


def test_other_data_than_the_answers_were_given_to(experiment, tmp_path: Path) -> None:
    config, runs, record, _ = experiment
    write_rte(tmp_path / "fewer", train=40, dev=150)
    with pytest.raises(DataError, match="has answers to 200 rows, the task has 150"):
        pairs.compare_rows(replace(config, data=str(tmp_path / "fewer")), "rte", runs, record)
    text = (tmp_path / "glue" / "RTE" / "dev.tsv").read_text()
    swapped = text.replace("\tentailment", "\tX").replace("not_entailment", "entailment").replace("\tX", "\tnot_entailment")  # fmt: skip
    (tmp_path / "glue" / "RTE" / "dev.tsv").write_text(swapped)
    with pytest.raises(DataError, match="score 0.* on these rows, and 0.* when they were given"):
        pairs.compare_rows(config, "rte", runs, record)
    with pytest.raises(DataError, match="nowhere"):
        pairs.compare_rows(replace(config, data=str(tmp_path / "nowhere")), "rte", runs, record)
    assert not record.exists()
