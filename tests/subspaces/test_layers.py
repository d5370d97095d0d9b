"""W0 passes through one chunk of memory, however many layers there are."""

import warnings
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints import BertLike, write_base, write_lora
from slow_routes import conditioned, slow_conversions, slow_phi

from lora_lens import conversion_similarity, load_adapter, open_base, outliers, shared_subspace
from lora_lens.chance.null_names import WITHOUT_SVD
from lora_lens.core.computing.progress import untold
from lora_lens.subspaces import chunks, layers
from lora_lens.subspaces.conversions import Plan
from lora_lens.subspaces.device import select_device
from lora_lens.subspaces.layers import RankDeficientWarning, collect_bases


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_chunks_change_no_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """The memory of the chunk before is written over; of five layers the last chunk is a smaller one."""
    shape = BertLike(layers=5)
    write_base(tmp_path / "base", shape)
    write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"))
    adapter = load_adapter(tmp_path / "lora")
    whole = conversion_similarity(adapter, "value", draws=5)
    monkeypatch.setattr(chunks, "_CHUNK_BYTES", at_once * 32 * shape.width**2)
    parts = conversion_similarity(adapter, "value", draws=5)
    for matrix, grid in whole.items():
        np.testing.assert_allclose(parts[matrix].values, grid.values, atol=1e-13)
        for null in ("gaussian", "propagated"):
            np.testing.assert_allclose(
                parts[matrix].baselines[null].mean, grid.baselines[null].mean, atol=1e-7
            )
    np.testing.assert_allclose(parts.condition_number, whole.condition_number, rtol=1e-9)
    w0 = [shape.base[f"{shape.path(k, 'value')}.weight"].double().numpy() for k in range(5)]
    np.testing.assert_allclose(parts.condition_number, [np.linalg.cond(w) for w in w0], rtol=1e-7)


@pytest.mark.parametrize("width", [600, 1024])
def test_layers_of_two_dtypes_keep_their_digits(tmp_path: Path, width: int) -> None:
    """A wide W0 in float32 is factored in float32; its neighbour in float64 is not rounded to that, nor made room for by it."""
    shape = BertLike(layers=4, width=width, modules=("value",))
    rng = np.random.default_rng(0)
    kept = [conditioned(width, width, 1e4, rng) for _ in range(4)]
    dtypes = (torch.float32, torch.float64, torch.float64, torch.float32)
    w0 = {
        f"{shape.path(k, 'value')}.weight": torch.from_numpy(each).to(dtype)
        for k, (each, dtype) in enumerate(zip(kept, dtypes, strict=True))
    }
    write_base(tmp_path / "base", shape, w0)
    write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"))
    adapter = load_adapter(tmp_path / "lora")
    found = conversion_similarity(adapter, "value", 1, matrices=["B"], draws=0, device="cpu")
    value = adapter.modules["value"]
    each = [
        slow_conversions(w.double().numpy(), a.double().numpy(), b.double().numpy(), "stored")["B"]
        for w, a, b in zip(w0.values(), value.a, value.b, strict=True)
    ]
    for k in range(4):
        assert abs(found["B"].values[0, k] - slow_phi(each[0], each[k], 1, 1)) < 1e-9


@pytest.mark.parametrize("width", [600, 1024])
def test_an_ill_conditioned_w0_changes_no_other_layers_draws(tmp_path: Path, width: int) -> None:
    """In float64 after all, or singular, it is drawn for another way; its neighbours are not, whether they fit into memory with it or not."""
    shape = BertLike(layers=3, width=width, modules=("value",))
    drawn = []
    paths = [f"{shape.path(k, 'value')}.weight" for k in range(3)]
    plain = conditioned(width, width, 1e3, np.random.default_rng(0))
    for condition in (1e3, 1e6, 1e12):
        w0 = [plain, plain, conditioned(width, width, condition, np.random.default_rng(0))]
        folder = tmp_path / str(condition)
        folder.mkdir()
        tensors = {
            path: torch.from_numpy(each).float() for path, each in zip(paths, w0, strict=True)
        }
        write_base(folder / "base", shape, tensors)
        write_lora(folder / "lora", shape, base=str(folder / "base"))
        singular = pytest.warns(RankDeficientWarning) if condition > 1e8 else nullcontext()
        with singular:
            grid = conversion_similarity(
                load_adapter(folder / "lora"), "value", matrices=["A"], nulls=["propagated", "initialisation"], draws=3, device="cpu",
                convention="consistent",
            )["A"]  # fmt: skip
        drawn.append({name: one.mean[0, 1] for name, one in grid.baselines.items()})
    assert drawn[0] == drawn[1] == drawn[2]


def test_layers_are_apart_only_where_some_have_full_rank_and_some_have_not(tmp_path: Path) -> None:
    shape = BertLike(layers=3, width=40, modules=("value",))
    seen = []
    for deficient in (0, 3, 1):
        w0 = [
            torch.from_numpy(conditioned(40, 40, 10, np.random.default_rng(k))).float()
            for k in range(3)
        ]
        for one in w0[:deficient]:
            one[-1] = one[0]
        folder = tmp_path / str(deficient)
        folder.mkdir()
        named = {f"{shape.path(k, 'value')}.weight": one for k, one in enumerate(w0)}
        write_base(folder / "base", shape, named)
        write_lora(folder / "lora", shape, base=str(folder / "base"))
        factors = load_adapter(folder / "lora").modules["value"]
        plan = Plan(factors, ["B"], 4, 4, "left", "consistent", draws=0)
        with pytest.warns(RankDeficientWarning) if deficient else nullcontext():
            seen.append(
                collect_bases(
                    plan,
                    open_base(str(folder / "base")),
                    select_device("cpu", "float64"),
                    lambda factored, *_: len(factored.rank),
                    untold,
                )[1]
            )
    assert seen[0] == seen[1]
    assert len(seen[0]) < 3
    assert seen[2] == [1, 1, 1]


def test_a_float64_w0_is_judged_by_its_own_digits(tmp_path: Path) -> None:
    """Singular values of 1e-9 are rounding in float32 and are not in float64, whatever its neighbour is stored in."""
    shape = BertLike(layers=2, width=16, modules=("value",))
    rng = np.random.default_rng(0)
    first, second = (f"{shape.path(k, 'value')}.weight" for k in range(2))
    w0 = {
        first: torch.from_numpy(conditioned(16, 16, 10, rng)).float(),
        second: torch.from_numpy(conditioned(16, 16, 1e9, rng)),
    }
    write_base(tmp_path / "base", shape, w0)
    write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"))
    found = conversion_similarity(load_adapter(tmp_path / "lora"), "value", draws=0)
    np.testing.assert_allclose(found.condition_number, [10, 1e9], rtol=1e-5)


def leaves(value: object) -> list[object]:
    if isinstance(value, dict):
        return [leaf for each in value.values() for leaf in leaves(each)]
    if isinstance(value, list):
        return [leaf for each in value for leaf in leaves(each)]
    return [value]


@pytest.mark.parametrize("empty", [None, 4])
@pytest.mark.parametrize(
    ("question", "options"),
    [
        (
            conversion_similarity,
            {"nulls": [*WITHOUT_SVD, "equivalent"], "convention": "consistent"},
        ),
        (conversion_similarity, {"nulls": WITHOUT_SVD, "rank": 2, "convention": "consistent"}),
        (shared_subspace, {"convention": "consistent"}),
        (outliers, {"convention": "consistent"}),
    ],
)
def test_several_layers_at_a_time_give_the_same(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    question: Callable[..., Any],
    options: dict[str, Any],
    empty: int | None,
) -> None:
    """In order, though not done in order; also where a W0 in the midst lacks a rank, and a null is dropped."""
    shape = BertLike(layers=9, modules=("value",))
    write_base(tmp_path / "base", shape)
    base = {name: w0.clone() for name, w0 in shape.base.items()}
    if empty is not None:
        base[f"{shape.path(empty, 'value')}.weight"][:, 0] = 0
    write_base(tmp_path / "base", shape, base)
    write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"))
    adapter = load_adapter(tmp_path / "lora")
    monkeypatch.setattr(chunks, "_LAYERS_A_CORE", 1)

    def found() -> list[object]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", layers.RankDeficientWarning)
            return leaves(question(adapter, "value", draws=19, **options).to_dict())

    with monkeypatch.context() as several:
        several.setattr(torch, "get_num_threads", lambda: 4)
        at_a_time = found()
    monkeypatch.setattr(chunks, "_ON_SOME_CORES", 0)
    for one, other in zip(at_a_time, found(), strict=True):
        if isinstance(other, float):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)  # of draws in float32
        else:
            assert one == other


def test_of_several_at_a_time_each_is_asked_whether_anybody_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = BertLike(layers=4, modules=("value",))
    write_base(tmp_path / "base", shape)
    write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"))
    monkeypatch.setattr(chunks, "_LAYERS_A_CORE", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    asked = []
    monkeypatch.setattr(layers, "while_waited_for", lambda *far: asked.append(far))
    conversion_similarity(
        load_adapter(tmp_path / "lora"), "value", nulls=["propagated"], draws=5, device="cpu"
    )
    assert len(asked) >= 4
