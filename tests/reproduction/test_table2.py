from lora_lens.reproduction.scores import TaskScores
from lora_lens.reproduction.table2 import score_table

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
