from dataclasses import replace

import pytest

from lora_lens.reproduction.numbers.longer import Longer, longer_table

FOUND = Longer(
    "stsb", "pearson", "condlora", 0, 6, 12, 0.8950, 0.8990, test=0.880, longer_test=0.884, learnt=True
)  # fmt: skip


def test_below_half_a_point_is_finished() -> None:
    assert FOUND.gain == pytest.approx(0.004)
    assert FOUND.verdict == "finished"
    assert replace(FOUND, longer_development=0.9001).verdict == "not finished"
    assert replace(FOUND, longer_development=0.88).verdict == "finished"
    assert replace(FOUND, learnt=False).verdict == "not learnt"


def test_the_table_says_both_scores_and_the_gain() -> None:
    (row,) = longer_table([FOUND]).rows
    assert row == [
        "STS-B", "CondLoRA", "0", "6", "89.5", "88.0", "12", "89.9", "88.4", "+0.4", "finished",
    ]  # fmt: skip
    assert len(longer_table([]).head) == len(row)
    assert FOUND.row()["gain"] == pytest.approx(0.004)
