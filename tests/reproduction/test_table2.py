from dataclasses import replace

import numpy as np
import pytest

from lora_lens.reproduction.numbers.equivalence import Difference
from lora_lens.reproduction.numbers.judged import judged
from lora_lens.reproduction.numbers.scores import TaskScores
from lora_lens.reproduction.page.equivalence_words import sentence
from lora_lens.reproduction.page.tables.table2 import score_table

MRPC = TaskScores(
    "mrpc", "accuracy", 0.684,
    {"lora": {0: 0.80, 1: 0.82}, "condlora": {0: 0.79, 1: 0.83}},
    {"lora": 1e-3, "condlora": 2.5e-3},
)  # fmt: skip
RTE = TaskScores("rte", "accuracy", 0.527, {"lora": {0: 0.6, 1: 0.62}}, {"lora": 3e-4})


def cells(tasks: list[TaskScores]) -> dict[str, list[str]]:
    table = score_table(tasks, "base")
    return {row[0]: list(row[1:]) for row in table.rows}


def test_by_hand() -> None:
    rows = cells([MRPC])
    assert rows["LoRA"] == ["81.0 ± 1.4", "81.0 ± 1.4"]
    assert rows["CondLoRA"] == ["81.0 ± 2.8", "81.0 ± 2.8"]
    assert rows["CondLoRA − LoRA"][0] == "+0.0 ± 1.0"
    assert rows["p, paired t-test"][0] == "1.000"
    assert rows["constant answer"] == ["68.4", "–"]
    assert rows["learning rate, CondLoRA"][0] == "2.5e-03"
    assert rows["LoRA, paper"] == ["86.2", "86.2"]
    assert rows["CondLoRA, paper"][0] == "86.6"


def test_what_is_not_done_yet_is_a_dash() -> None:
    rows = cells([MRPC, RTE])
    assert rows["CondLoRA"] == ["81.0 ± 2.8", "–", "–"]
    assert rows["CondLoRA − LoRA"][1:] == ["–", "–"]
    assert rows["LoRA"][2] == "71.0 ± 1.4"
    assert rows["learning rate, CondLoRA"][1] == "–"


def test_a_small_p_is_not_shown_as_none() -> None:
    lora, condlora = {0: 0.80, 1: 0.81, 2: 0.80}, {0: 0.7001, 1: 0.7099, 2: 0.70}
    task = TaskScores("mrpc", "accuracy", 0.684, {"lora": lora, "condlora": condlora}, {"lora": 1e-3, "condlora": 1e-3})  # fmt: skip
    assert cells([task])["p, paired t-test"][0] == "< 0.001"


def test_the_comparison_by_rows_stands_below_what_it_can_decide() -> None:
    found = Difference(
        "condlora", "lora", (0, 1), (-0.01, 0.01), 408, np.full((2, 2), 1e-4), (-0.02, 0.02)
    )
    table = score_table([MRPC, RTE], "base", {"mrpc": [judged(found, 2.0)]}, 2.0)
    rows = {row[0]: list(row[1:]) for row in table.rows}
    heads = list(rows)
    assert heads.index("decidable margin, 80 % power") < heads.index("CondLoRA − LoRA")
    # t₀.₉₅ with one degree of freedom 6.31, e_s = .01; z₀.₉₅ = 1.645, e_r = .01. The m at which, over
    # e_s·|Z|, Φ has 80 of 100: 9.464 by scipy's adaptive quadrature, where a known e_s would give 8.3.
    assert rows["decidable margin, 80 % power"] == ["9.5", "–", "–"]
    assert table.title.endswith(
        "Decidable margin: were there no difference and the true errors those estimated"
    )
    assert "Decidable" not in score_table([MRPC, RTE], "base").title
    assert rows["95 % interval, rows"] == ["−2.0 to +2.0", "–", "–"]
    assert rows["95 % interval, rows and seeds"][0] == "−12.9 to +12.9"  # √(1.96² + 12.71²)
    assert float(rows["p, equivalent within 2"][0]) == pytest.approx(0.198, abs=0.05)
    assert rows["verdict"] == ["cannot be decided", "–", "–"]


def test_sentences_say_first_what_can_be_decided() -> None:
    found = Difference(
        "condlora", "lora", (0, 1), (-0.001, 0.001), 1500, np.full((2, 2), 4e-6), (-0.004, 0.004)
    )
    said = sentence("stsb", judged(found, 1.0), paper=1.0)
    assert said.startswith(
        "**STS-B**, 1,500 test rows and 2 seeds: these can decide a margin of 1.1 points, if their errors "
        "are as estimated (of "
    )
    assert said.index("can decide") < said.index("CondLoRA less LoRA is +0.0 points")
    assert "**equivalent within 1**" in said
    assert (
        "To decide about 1 would take 3 seeds or 2,800 test rows with 2 seeds, by the same estimates."
        in said
    )
    assert said.endswith("The paper's difference is +1.0.")
    one = replace(found, seeds=(0,), each=(0.001,), covariance=np.array([[4e-6]]))
    said = sentence("stsb", judged(one, 1.0))
    assert "1 seed: one seed can decide no margin" in said
    assert "–" not in said  # nothing is told that there is not
    assert "over seeds there is none: **cannot be decided**" in said
    assert "To decide about 1 would take more seeds than one." in said
