import json
import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoints import BertLike
from every_question import NAMES, answered, given, takes, write_adapters

from lora_lens import (
    compare,
    conversion_similarity,
    demo_adapter,
    load_adapter,
    rank_grids,
    shared_subspace,
    spectrum,
)
from lora_lens.labelled import Brief, Comparable


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_adapters(tmp_path_factory.mktemp("home"), BertLike())


def found(question: str, home: Path) -> Any:
    """A question's answer, of few draws."""
    drawn = {"draws": 5} if takes(question, "draws") else {}
    return answered(question, given(question, home), **drawn)


@pytest.mark.parametrize("question", NAMES)
def test_results_go_to_pandas_json_and_jupyter(question: str, home: Path) -> None:
    result = found(question, home)
    assert len(result.to_frame()) == len(result.rows()) > 0
    json.dumps(result.to_dict(), allow_nan=False)
    assert "<table>" in result._repr_html_()


def test_parts_of_results_go_there_too(bert: BertLike, tmp_path: Path) -> None:
    adapter = load_adapter(tmp_path / "lora")
    grids = rank_grids(adapter, adapter, "value", matrices=["A"], layers=[0, 2])
    for result, rows in ((grids, 2 * 16), (grids[0], 16), (spectrum(adapter).suggestion, 6)):
        assert len(result.to_frame()) == rows
        json.dumps(result.to_dict(), allow_nan=False)
        assert "<table>" in result._repr_html_()
    frame = grids.to_frame()
    cell = frame[(frame.layer == 2) & (frame.i == 3) & (frame.j == 3)]
    assert float(cell.phi.iloc[0]) == pytest.approx(1)


def test_an_adapter_is_one_line_and_a_small_table() -> None:
    adapter = load_adapter(demo_adapter("condlora"))
    assert "\n" not in repr(adapter)
    assert len(repr(adapter)) < 300
    assert "query, value" in repr(adapter)
    row = "<tr><td>value</td><td>6</td><td>8</td><td>384 × 384</td>"
    assert row in adapter._repr_html_()


def parts(found: Any) -> Iterator[Brief]:
    """What a result is made of, and what that is made of."""
    if isinstance(found, Mapping):
        found = list(found.values())
    if isinstance(found, (tuple, list)):
        for each in found:
            yield from parts(each)
    elif is_dataclass(found):
        if isinstance(found, Brief):
            yield found
        yield from parts([getattr(found, each.name) for each in fields(found)])


def is_brief(one: Any) -> None:
    assert "\n" not in repr(one)
    assert len(repr(one)) <= 120, repr(one)
    assert "array" not in repr(one)
    assert repr(one).startswith(f"<{type(one).__name__}: ")


@pytest.mark.parametrize("question", NAMES)
def test_what_results_are_made_of_is_one_line_and_where_it_has_layers_a_small_table(
    question: str, home: Path
) -> None:
    for one in parts(found(question, home)):
        is_brief(one)
        if hasattr(one, "_repr_html_"):
            assert "<table>" in one._repr_html_()
            assert "nan" not in one._repr_html_()
            assert len(one._repr_html_()) < 4000


def test_that_line_has_the_mean_and_what_chance_gives(bert: BertLike, tmp_path: Path) -> None:
    adapter = load_adapter(tmp_path / "lora")
    alike = conversion_similarity(adapter, "value", draws=3)["A"]
    shared = shared_subspace(adapter, "value", draws=19)["A"]
    series = compare(adapter, adapter, "value", draws=9)["A"]
    layer = spectrum(adapter).layers[0]
    assert f"mean {alike.mean:.3f}, by chance: gaussian 0." in repr(alike)
    assert f"share {shared.share:.3f}, by chance: gaussian 0." in repr(shared)
    assert f"mean φ {series.mean:.3f}, by chance: gaussian 0." in repr(series)
    assert repr(layer).startswith(f"<LayerSpectrum: {layer.module}, layer {layer.layer}, ")
    for one in (*alike.significance.values(), next(adapter.each_layer())):
        is_brief(one)


@pytest.mark.parametrize("question", NAMES)
def test_results_of_the_same_numbers_are_equal(question: str, home: Path) -> None:
    one, again = (found(question, home) for _ in range(2))
    assert one == again
    assert pickle.loads(pickle.dumps(one)) == one
    name = next(each.name for each in fields(one) if isinstance(getattr(one, each.name), str))
    assert replace(one, **{name: "another"}) != one
    assert one != 3


@dataclass(frozen=True, eq=False)
class Held(Comparable):
    value: object


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (0.5, None, False), (None, np.ones(3), False), (None, None, True), (np.array(1.0), None, False),
        (1, np.ones(3), False), (np.array(["a", "b"]), np.array(["a", "b"]), True), (np.ones(2), "a", False),
        ({"a": np.nan}, {"a": float("nan")}, True), ((1, [np.zeros(2)]), (1, [np.zeros(2)]), True), ("a", 0.5, False),
        (np.array([None, 1]), np.array([None, 1]), True), ({"a": 1}, {"b": 1}, False),
    ],
)  # fmt: skip
def test_whatever_a_result_holds_is_compared(one: object, other: object, same: bool) -> None:
    assert (Held(one) == Held(other)) is same
    assert (Held(other) == Held(one)) is same


def test_one_number_tells_results_apart_and_nan_does_not(bert: BertLike, tmp_path: Path) -> None:
    grid = conversion_similarity(load_adapter(tmp_path / "lora"), "value", draws=3)["A"]
    phi = grid.values.copy()
    phi[0, 1] += 1e-15
    assert replace(grid, values=phi) != grid
    phi[0, 1] = np.nan
    assert replace(grid, values=phi) == replace(grid, values=phi.copy())
