"""Which layers the sentence names."""

from types import SimpleNamespace
from typing import Any

import pytest

from lora_lens.questions.shared.words import _where


@pytest.mark.parametrize(
    ("tests", "said"),
    [
        (1, ", B in every layer by itself"),
        (2, ", B in layer 0 by itself"),
        (9, ", B in no single layer by itself"),
    ],
)
def test_layers_are_named_by_p_corrected_over_all_that_was_tested(tests: int, said: str) -> None:
    asked: Any = {"B": SimpleNamespace(layers=(0, 1), p_holm=[0.02, 0.04])}
    finding: Any = SimpleNamespace(word="more", label="B", verdict=SimpleNamespace(family=tests))
    assert _where([finding], asked) == said
