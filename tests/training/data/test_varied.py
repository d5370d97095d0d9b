"""Rows of one value are refused before anything is trained on them."""

from dataclasses import replace

import pytest

from lora_lens.errors import DataError
from lora_lens.training.data import TASKS, Example, Splits
from lora_lens.training.data.varied import check_varied


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
