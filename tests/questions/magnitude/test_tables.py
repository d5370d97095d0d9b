from pathlib import Path

import pytest
from checkpoints import BertLike

from lora_lens import load_adapter, magnitude_and_direction
from lora_lens.questions.magnitude.tables import correlation_table, layer_table, legend, texts
from lora_lens.questions.magnitude.words import written


def test_every_number_is_in_its_row(bert: BertLike, tmp_path: Path) -> None:
    result = magnitude_and_direction(load_adapter(tmp_path / "lora"), draws=50)
    rows = layer_table(result).rows
    assert [row[0] for row in rows] == [one.module for one in result.layers]
    assert all(len(row) == len(layer_table(result).head) for row in rows)
    together = correlation_table(result).rows
    assert [row[0] for row in together] == [*result.modules, "all modules together"]
    assert len(texts(result)["-correlations.csv"].splitlines()) == 1 + len(result.together)
    assert "50 random ΔW" in legend(result)[1]


def test_without_draws_there_are_dashes(bert: BertLike, tmp_path: Path) -> None:
    result = magnitude_and_direction(load_adapter(tmp_path / "lora"), "value", draws=0)
    assert all(row[4:6] == ["–", "–"] for row in layer_table(result).rows)
    assert [row[3:] for row in correlation_table(result).rows] == [["–"] * 3]
    assert len(legend(result)) == 1


@pytest.mark.parametrize(
    ("r", "text"),
    [
        (-0.0001, "0.00"),
        (0.99, "0.990"),
        (-0.99951, "-0.99951"),
        (-1.0, "-1"),
        (0.9999951, "0.9999951"),
        (0.9999991, "1"),
    ],
)
def test_a_correlation_near_one_is_told_from_it(r: float, text: str) -> None:
    assert written(r) == text
