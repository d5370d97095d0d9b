import math

import pytest

from lora_lens.reproduction.numbers.learnt import best_constant, least_learnt
from lora_lens.reproduction.numbers.scores import TaskScores, all_learnt
from lora_lens.reproduction.page.tables.table2 import score_table

RATES = {"lora": 1e-3, "condlora": 1e-3}
MIXED = TaskScores(
    "mrpc", "accuracy", 0.684, {"lora": {0: 0.80, 1: 0.82}, "condlora": {0: 0.80, 1: 0.70}}, RATES, {}, 408
)  # fmt: skip
RTE = TaskScores(
    "rte", "accuracy", 0.473, {"lora": {0: 0.56, 1: 0.55}, "condlora": {0: 0.57, 1: 0.53}}, RATES, {}, 277
)  # fmt: skip


def test_the_better_of_two_constants_counts() -> None:
    assert best_constant("rte", "accuracy", 0.473) == pytest.approx(0.527)
    assert best_constant("mnli", "accuracy", 0.35) == 0.35  # of three classes it is not known
    assert best_constant("cola", "matthews", 0.0) == 0.0


def test_two_standard_errors_above_it() -> None:
    assert least_learnt("rte", "accuracy", 0.473, 277) == pytest.approx(
        0.527 + 2 * math.sqrt(0.527 * 0.473 / 277)
    )
    assert least_learnt("stsb", "pearson", 0.0, 1500) == pytest.approx(2 / math.sqrt(1500))
    assert least_learnt("rte", "accuracy", 0.473, None) == pytest.approx(0.527)


def test_what_is_not_learnt_is_in_no_mean_and_said() -> None:
    assert MIXED.learnt("condlora") == {0: 0.80}
    assert MIXED.not_learnt("condlora") == {1: 0.70}
    assert MIXED.mean("condlora") == 0.80
    difference = MIXED.paired("condlora", "lora")
    assert difference is not None
    assert (difference.seeds, difference.mean) == (1, 0.0)
    assert [row["learnt"] for row in MIXED.rows()] == [True, True, True, False]
    assert all_learnt([MIXED, RTE]) == []
    rows = {row[0]: row[1:] for row in score_table([MIXED, RTE], "base").rows}
    assert rows["LoRA"] == ["81.0 ± 1.4", "not learnt (56.0, 55.0)", "–"]
    assert rows["CondLoRA"][0] == "80.0; 1 of 2 not learnt (70.0)"
    assert rows["CondLoRA − LoRA"] == ["+0.0", "–", "–"]
    assert "in the mean, for not every run has learnt it: MRPC, RTE" in score_table([MIXED, RTE], "base").title  # fmt: skip


def test_a_task_that_is_not_learnt_leaves_the_others_their_mean() -> None:
    good = TaskScores("sst2", "accuracy", 0.51, {"lora": {0: 0.9}, "condlora": {0: 0.88}}, RATES, {}, 872)  # fmt: skip
    rows = {row[0]: row[1:] for row in score_table([good, RTE], "base").rows}
    assert rows["LoRA"][2] == "90.0"
    assert rows["LoRA, paper"][2] == "93.7"
