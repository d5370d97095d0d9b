from typing import Any

import pytest

from lora_lens.errors import SettingsError
from lora_lens.training.settings import RunSettings


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": -1}, "seed is -1, expected at least 0 and at most 4294967295"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0, expected above 0"),
        ({"learning_rate": float("nan")}, "learning_rate is nan, expected above 0"),
        ({"epochs": 0}, "epochs is 0, expected above 0"),
        ({"epochs": float("inf")}, "epochs is inf"),
        ({"rank": 0}, "rank is 0, expected at least 1"),
        ({"dropout": 1.5}, "dropout is 1.5, expected at least 0 and at most 1"),
        ({"warmup": -0.1}, "warmup is -0.1"),
        ({"train_rows": 0}, "train_rows is 0"),
        ({"target_modules": ()}, "no target module is named"),
        # Trained plain LoRA in float32, and wrote these names down.
        ({"method": "CondLoRA"}, "method is 'CondLoRA', expected one of lora, condlora"),
        ({"precision": "bf16"}, "precision is 'bf16', expected one of "),
        ({"convention": "own"}, "convention is 'own', expected one of "),
        ({"head": "Zero"}, "head is 'Zero', expected one of "),
    ],
)
def test_what_no_run_can_be_made_with(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        RunSettings(**{"task": "rte", "method": "lora", "base": "b"} | changes)


@pytest.mark.parametrize(("task", "epochs"), [("rte", 100), ("mnli", 50), ("of my own", 100)])
def test_what_is_left_open_is_the_papers(task: str, epochs: int) -> None:
    settings = RunSettings(task=task, method="lora", base="b", learning_rate=1e-3).resolved()
    assert (settings.epochs, settings.learning_rate) == (epochs, 1e-3)
    if task == "rte":
        assert RunSettings(task=task, method="lora", base="b").resolved().learning_rate == 7.71e-5
