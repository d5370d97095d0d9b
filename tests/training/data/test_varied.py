"""Rows of one value are refused before anything is trained on them."""

from dataclasses import replace

import pytest

from lora_lens.errors import DataError
from lora_lens.training.data import TASKS, Example, Splits
from lora_lens.training.data.metrics import METRICS
from lora_lens.training.data.varied import ZeroScoreWarning, check_varied, warn_if_zero


def splits(train: list[float], development: list[float]) -> Splits:
    rows = [[Example("a", "b", value) for value in part] for part in (train, development, [0, 1])]
    return Splits(*rows, {})


@pytest.mark.parametrize(
    ("task", "train", "development", "message"),
    [
        (
            "rte",
            [1, 1, 1],
            [0, 1],
            "rte: all 3 training rows that are taken have the label 'not_entailment'",
        ),
        (
            "stsb",
            [2.5, 2.5],
            [1, 2],
            "stsb: all 2 training rows that are taken have the label '2.5', expected two",
        ),
        ("stsb", [1, 2], [4, 4], "stsb: all 2 development rows that are taken have the label '4'"),
        ("cola", [0, 1], [1, 1], "cola: all 2 development rows that are taken have the label"),
        ("rte", [0, 1], [1, 1], None),
        ("stsb", [1, 2], [3, 4], None),
    ],
)
def test_one_value(
    task: str, train: list[float], development: list[float], message: str | None
) -> None:
    found = splits(train, development)
    if message is None:
        check_varied(TASKS[task], found)
        return
    with pytest.raises(DataError, match=message):
        check_varied(TASKS[task], found)


def test_own_classes_have_their_name() -> None:
    task = replace(TASKS["rte"], name="films", labels=("bad", "good"))
    with pytest.raises(
        DataError, match="films: all 1 training rows that are taken have the label 'good'"
    ):
        check_varied(task, splits([1], [0]))


def test_f1_needs_the_last_class() -> None:
    task = replace(TASKS["rte"], name="films", labels=("bad", "good"), metric=METRICS["f1"])
    with pytest.raises(DataError, match="films: all 2 development rows .* have the label 'bad'"):
        check_varied(task, splits([0, 1], [0, 0]))
    check_varied(task, splits([0, 1], [1, 1]))


@pytest.mark.parametrize(
    ("task", "metric", "labels", "words"),
    [
        ("stsb", "pearson", [2.5, 2.5], "all 2 test rows have the label '2.5': pearson is 0 what"),
        ("stsb", "pearson", [2.5], "all 1 test rows have the label '2.5': pearson is 0"),
        ("cola", "matthews", [1, 1], "all 2 test rows have the label '1': matthews is 0"),
        ("rte", "f1", [0, 0], "all 2 test rows have the label 'entailment': f1 is 0"),
        ("rte", "f1", [1, 1], None),
        ("rte", "accuracy", [1, 1], None),
        ("stsb", "pearson", [2, 3], None),
    ],
)
def test_rows_that_score_0_whatever_is_answered(
    task: str, metric: str, labels: list[float], words: str | None
) -> None:
    known = replace(TASKS[task], metric=METRICS[metric])
    rows = [Example("a", "b", label) for label in labels]
    if words is None:
        warn_if_zero(known, rows, "test")
        return
    with pytest.warns(ZeroScoreWarning, match=words):
        warn_if_zero(known, rows, "test")
