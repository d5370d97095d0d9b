"""Layers that go together: what the nulls, whose layers are independent, cannot tell is not claimed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from layers_alike import one_a

import lora_lens as ll
from lora_lens.questions.comparison.result import LayerSeries


def test_nothing_is_claimed_of_one_a_in_all_layers(tmp_path: Path) -> None:
    claimed = 0
    for seed in range(8):
        pair = [one_a(tmp_path / f"{seed}-{k}", 2 * seed + k) for k in range(2)]
        result = ll.compare(*pair, "value", draws=99)
        assert result["A"].scatter == pytest.approx(6**0.5)
        assert result["B"].scatter < 1.1
        assert {one.label for one in result.findings} == {"B"}
        (note,) = (one for one in result.notes if "nothing is claimed of it" in one)
        assert note.startswith("A of either adapter lies alike in its layers")
        assert "scatter 2.4 times as far" in note
        claimed += any(one.word != "not seen" for one in result.findings)
    assert claimed <= 2


def test_trained_adapters_are_far_from_that() -> None:
    pair = [ll.demo_adapter(method) for method in ("lora", "condlora")]
    result = ll.compare(*pair, "value", draws=19)
    assert all(one.scatter == pytest.approx(1, abs=0.01) for one in result.values())


@pytest.mark.parametrize(
    ("scatter", "null", "together"),
    [
        (1.05, "gaussian", False),
        (1.2, "gaussian", True),
        (1.2, "flipped", False),
        (1.5, "flipped", True),
    ],
)
def test_flips_know_what_w0s_layers_have_in_common(
    scatter: float, null: str, together: bool
) -> None:
    """Twelve layers: 1.2 is a correlation of .04 between two, which a direction of W0 makes; 1.5 is .11."""
    given: Any = {"gaussian": None, null: None}
    one = LayerSeries("A", "right", tuple(range(12)), np.zeros(12), given, scatter)
    assert one.together is together


def test_flips_do_not_know_of_coordinates() -> None:
    """Twenty-four layers with one huge row each, R⁴⁸, rank 4: 14 of 40 unrelated pairs were claimed at 1.5."""
    given: Any = {"gaussian": None, "flipped": None}
    layers = tuple(range(24))
    assert LayerSeries("A", "right", layers, np.zeros(24), given, 1.5, 1.5).together
    assert not LayerSeries("A", "right", layers, np.zeros(24), given, 1.5).together
