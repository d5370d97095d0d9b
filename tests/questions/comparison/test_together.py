"""Layers that go together: what the nulls, whose layers are independent, cannot tell is not claimed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import BertLike, random, write_lora
from torch import Tensor

import lora_lens as ll
from lora_lens.core.layers_together import scatter_of_mean
from lora_lens.questions.comparison.result import LayerSeries


def bases(layers: int, d: int, r: int, common: float, generator: torch.Generator) -> Tensor:
    """Subspaces with as much of one common part, of which each layer has noise of its own."""
    part = torch.randn(d, r, generator=generator, dtype=torch.float64)
    own = torch.randn(layers, d, r, generator=generator, dtype=torch.float64)
    return torch.linalg.qr(common**0.5 * part + (1 - common) ** 0.5 * own).Q


@pytest.mark.parametrize("common", [0.0, 0.3, 0.7, 1.0])
def test_the_scatter_is_that_of_adapters_turned_as_a_whole(common: float) -> None:
    generator = torch.Generator().manual_seed(int(10 * common))
    layers, d, r = 12, 32, 4
    u, v = (bases(layers, d, r, common, generator) for _ in range(2))
    drawn = []
    for _ in range(2000):
        turn = torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.float64)).Q
        drawn.append(float(((u.mT @ (turn @ v)).square().sum((-2, -1)) / r).mean()))
    independent = ll.gaussian_baseline(d, r).sd / layers**0.5
    assert np.std(drawn) == pytest.approx(scatter_of_mean(u, v) * independent, rel=0.06)


def test_whole_spaces_do_not_scatter() -> None:
    generator = torch.Generator().manual_seed(0)
    u, v = (bases(12, 8, 8, 0.0, generator) for _ in range(2))
    assert scatter_of_mean(u, v) == scatter_of_mean(u, v[..., :2]) == 1


def one_a(folder: Path, seed: int) -> ll.Adapter:
    """Random B, and one random A in all layers, as VeRA has it."""
    shape = BertLike(layers=6, modules=("value",))
    a = {
        f"base_model.model.bert.{shape.path(layer, 'value')}.lora_A.weight": random(
            4, 24, seed=seed
        )
        for layer in range(shape.layers)
    }
    return ll.load_adapter(write_lora(folder, shape, seed=seed, extra=a))


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
