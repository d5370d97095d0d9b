from pathlib import Path

import numpy as np
import pytest
from checkpoints import BertLike, write_lora
from slow_routes import slow_phi

from lora_lens import RankError, compare, gaussian_baseline, load_adapter
from lora_lens.errors import AdapterError, ModuleLookupError


@pytest.fixture
def pair(tmp_path: Path) -> tuple[BertLike, BertLike]:
    shapes = BertLike(), BertLike(rank=5)
    for shape, name, seed in zip(shapes, ("one", "other"), (1, 2), strict=True):
        write_lora(tmp_path / name, shape, seed=seed)
    return shapes


def factor(shape: BertLike, layer: int, name: str) -> np.ndarray:
    path = shape.path(layer, "value")
    return shape.adapter[f"base_model.model.bert.{path}.lora_{name}.weight"].double().numpy()


@pytest.mark.parametrize(("i", "j"), [(4, 4), (2, 3), (4, 5)])
def test_equals_full_svds_layer_by_layer(
    pair: tuple[BertLike, BertLike], tmp_path: Path, i: int, j: int
) -> None:
    one, other = pair
    result = compare(
        load_adapter(tmp_path / "one"), load_adapter(tmp_path / "other"), "value", i=i, j=j
    )
    for layer in range(3):
        a, b = factor(one, layer, "A"), factor(one, layer, "B")
        c, d = factor(other, layer, "A"), factor(other, layer, "B")
        expected = {
            "A": slow_phi(a, c, i, j, "right"),
            "B": slow_phi(b, d, i, j),
            "delta": slow_phi(b @ a, d @ c, i, j),
        }
        assert {m: s.values[layer] for m, s in result.items()} == pytest.approx(expected, abs=1e-10)
    assert {matrix: series.side for matrix, series in result.items()} == {
        "A": "right",
        "B": "left",
        "delta": "left",
    }
    baseline = result["A"].baseline
    assert (baseline.mean, baseline.sd) == gaussian_baseline(24, i, j)


def test_default_is_the_smaller_rank(pair: tuple[BertLike, BertLike], tmp_path: Path) -> None:
    result = compare(load_adapter(tmp_path / "other"), load_adapter(tmp_path / "one"), "value")
    assert (result.i, result.j) == (4, 4)


def test_an_adapter_is_like_itself(pair: tuple[BertLike, BertLike], tmp_path: Path) -> None:
    adapter = load_adapter(tmp_path / "one")
    for series in compare(adapter, adapter, "value", 3).values():
        np.testing.assert_allclose(series.values, 1, atol=1e-12)


def test_common_layers_only_and_said_so(pair: tuple[BertLike, BertLike], tmp_path: Path) -> None:
    write_lora(tmp_path / "short", BertLike(layers=2))
    result = compare(load_adapter(tmp_path / "one"), load_adapter(tmp_path / "short"), "value")
    assert result.layers == (0, 1)
    assert "in layers 2" in result.notes[0]


def test_errors(pair: tuple[BertLike, BertLike], tmp_path: Path) -> None:
    one = load_adapter(tmp_path / "one")
    write_lora(tmp_path / "wide", BertLike(width=32))
    write_lora(tmp_path / "query", BertLike(modules=("query",)))
    with pytest.raises(AdapterError, match="24 in .* and 32 in"):
        compare(one, load_adapter(tmp_path / "wide"), "value")
    with pytest.raises(ModuleLookupError, match="it has: query"):
        compare(one, load_adapter(tmp_path / "query"), "value")
    with pytest.raises(RankError, match="rank 4"):
        compare(one, load_adapter(tmp_path / "other"), "value", 5)
