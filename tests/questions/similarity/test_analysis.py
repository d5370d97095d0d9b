import functools
import pickle
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import BertLike, random, write_base, write_lora
from slow_routes import slow_conversions, slow_grid

from lora_lens import (
    Adapter,
    RankError,
    compare,
    conversion_similarity,
    gaussian_baseline,
    load_adapter,
)
from lora_lens.chance.null_names import NULLS
from lora_lens.errors import (
    BaseModelError,
    LensError,
    ModuleLookupError,
    SingularError,
)
from lora_lens.subspaces.layers import RankDeficientWarning


def slow(
    shape: BertLike, module: str, matrix: str, i: int, j: int, side: str, convention: str
) -> np.ndarray:
    """The released algorithm in float64: an inverse a layer, two full SVDs a pair."""
    conversions = []
    for layer in range(shape.layers):
        path = shape.path(layer, module)
        w0 = shape.base[f"{path}.weight"].double().numpy()
        a, b = (
            shape.adapter[f"base_model.model.bert.{path}.lora_{factor}.weight"].double().numpy()
            for factor in "AB"
        )
        conversions.append(slow_conversions(w0, a, b, convention)[matrix])
    return slow_grid(conversions, i, j, side)


@pytest.mark.parametrize("convention", ["stored", "consistent"])
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(("i", "j"), [(4, 4), (2, 2), (1, 3), (4, 2)])
def test_equals_the_released_algorithm_in_float64(
    bert: BertLike, tmp_path: Path, convention: str, side: str, i: int, j: int
) -> None:
    adapter = load_adapter(tmp_path / "lora")
    for module in ("query", "value"):
        result = conversion_similarity(
            adapter, module, i=i, j=j, side=side, convention=convention, draws=0
        )
        assert list(result) == ["A", "B", "BA"]
        for matrix, grid in result.items():
            expected = slow(bert, module, matrix, i, j, side, convention)
            np.testing.assert_allclose(grid.values, expected, atol=1e-9)


def test_condition_numbers_equal_numpy(bert: BertLike, tmp_path: Path) -> None:
    result = conversion_similarity(load_adapter(tmp_path / "lora"), "value", draws=0)
    w0 = [bert.base[f"{bert.path(k, 'value')}.weight"].double().numpy() for k in range(3)]
    np.testing.assert_allclose(result.condition_number, [np.linalg.cond(w) for w in w0], rtol=1e-7)


def test_rectangular_and_wide_layers_by_the_pseudo_inverse(tmp_path: Path) -> None:
    shape = BertLike(modules=("value",))
    for rows, columns in ((24, 10), (10, 24)):
        folder = tmp_path / f"{rows}x{columns}"
        names = [shape.path(layer, "value") for layer in range(3)]
        base = {f"{n}.weight": random(rows, columns, seed=k) for k, n in enumerate(names)}
        write_base(folder / "base", shape, base)
        factors = {}
        for k, name in enumerate(names):
            factors[f"base_model.model.{name}.lora_A.weight"] = random(4, columns, seed=50 + k)
            factors[f"base_model.model.{name}.lora_B.weight"] = random(rows, 4, seed=60 + k)
        write_lora(folder / "lora", BertLike(layers=0), base=str(folder / "base"), extra=factors)
        adapter = load_adapter(folder / "lora")
        with pytest.raises(SingularError, match="consistent"):
            conversion_similarity(adapter, "value", convention="stored")
        for side in ("left", "right"):
            result = conversion_similarity(
                adapter, "value", side=side, convention="consistent", draws=20
            )
            for matrix, grid in result.items():
                conversions = [
                    slow_conversions(
                        base[f"{n}.weight"].double().numpy(),
                        factors[f"base_model.model.{n}.lora_A.weight"].double().numpy(),
                        factors[f"base_model.model.{n}.lora_B.weight"].double().numpy(),
                        "consistent",
                    )[matrix]
                    for n in names
                ]
                np.testing.assert_allclose(
                    grid.values, slow_grid(conversions, 4, 4, side), atol=1e-9
                )


@pytest.fixture(scope="module")
def random_adapters(tmp_path_factory: pytest.TempPathFactory) -> list[Adapter]:
    """Of Gaussian factors in files, on two W0 whose columns fall to a hundredth: one that has these, and ten that have them by turns, 12 times each."""
    folder = tmp_path_factory.mktemp("random")
    w0 = [random(12, 12, seed=layer) * torch.logspace(0, -2, 12) for layer in range(2)]
    found = []
    for number, pairs in enumerate([1] + 10 * [12]):
        shape = BertLike(layers=2 * pairs, width=12, modules=("value",))
        skewed, factors = {}, {}
        for k in range(shape.layers):
            path, seed = shape.path(k, "value"), 1000 * number + 10 * k
            skewed[f"{path}.weight"] = w0[k % 2].clone()
            factors[f"base_model.model.{path}.lora_A.weight"] = random(4, 12, seed=seed + 2)
            factors[f"base_model.model.{path}.lora_B.weight"] = random(12, 4, seed=seed + 3)
        base, lora = folder / f"base-{pairs}", folder / str(number)
        write_base(base, shape, skewed)
        write_lora(lora, BertLike(layers=0), base=str(base), extra=factors)
        found.append(load_adapter(lora))
    return found


@pytest.mark.parametrize("convention", ["stored", "consistent"])
@pytest.mark.parametrize(("side", "i"), [("left", 4), ("left", 2), ("right", 2)])
def test_propagated_baseline_is_what_random_adapters_give(
    random_adapters: list[Adapter], convention: str, side: str, i: int
) -> None:
    """Second route: Gaussian factors in files, 120 pairs of layers, analysed like trained ones, then averaged."""
    settings = {"i": i, "side": side, "convention": convention}
    first, *others = random_adapters
    result = conversion_similarity(first, "value", j=i, draws=3000, **settings)
    every = [conversion_similarity(one, "value", j=i, draws=0, **settings) for one in others]
    for matrix, grid in result.items():
        # What one W0 has with the other that is beside it.
        values = np.concatenate([np.diag(each[matrix].values, 1)[::2] for each in every])
        assert len(values) == 120
        propagated = grid.baselines["propagated"]
        error = np.std(values) / np.sqrt(120) + propagated.sd[0, 1] / np.sqrt(3000)
        assert abs(np.mean(values) - propagated.mean[0, 1]) < 4 * error + 1e-9
        assert propagated.sd[0, 1] == pytest.approx(np.std(values), rel=0.25, abs=1e-9)


def test_propagated_baseline_through_the_identity_is_the_gaussian_one(tmp_path: Path) -> None:
    shape = BertLike(layers=3, width=30, modules=("value",))
    eye = {f"{shape.path(layer, 'value')}.weight": torch.eye(30) for layer in range(3)}
    write_base(tmp_path / "base", shape, eye)
    write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"))
    result = conversion_similarity(load_adapter(tmp_path / "lora"), "value", draws=2000)
    mean, sd = gaussian_baseline(30, 4)
    for grid in result.values():
        propagated = grid.baselines["propagated"]
        np.testing.assert_allclose(propagated.mean, mean, atol=5 * sd / np.sqrt(2000))
        np.testing.assert_allclose(propagated.sd, sd, rtol=0.1)
        # Three pairs of layers, uncorrelated though each layer is in two of them.
        assert grid.baselines["gaussian"].mean_sd == pytest.approx(sd / np.sqrt(3))
        assert propagated.mean_sd == pytest.approx(sd / np.sqrt(3), rel=0.1)


def test_the_same_seed_gives_the_same_null_and_another_one_another(
    bert: BertLike, tmp_path: Path
) -> None:
    adapter = load_adapter(tmp_path / "lora")
    one, same, other = (
        conversion_similarity(adapter, "value", draws=5, seed=seed)["B"]
        .baselines["propagated"]
        .mean
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_layers_in_chunks_give_the_same(
    bert: BertLike, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = load_adapter(tmp_path / "lora")
    whole = conversion_similarity(adapter, "value", draws=5, nulls=NULLS)
    monkeypatch.setattr("lora_lens.subspaces.chunks._CHUNK_BYTES", 1)
    for rows in ("_ROWS", "_ROWS_A_CORE"):  # and the draws of a layer one by one
        monkeypatch.setattr(f"lora_lens.chance.conversion_draws.{rows}", 1)
    monkeypatch.setattr("lora_lens.subspaces.chunks._ON_SOME_CORES", 0)  # and one after another
    seen: list[tuple[int, int]] = []
    pieces = conversion_similarity(
        adapter, "value", draws=5, nulls=NULLS, progress=lambda *at: seen.append(at)
    )
    assert len(seen) > 3 * 5  # every draw of every layer
    assert seen[-1][0] == seen[-1][1]
    for matrix in whole:
        np.testing.assert_allclose(pieces[matrix].values, whole[matrix].values, atol=1e-12)
        for null, baseline in whole[matrix].baselines.items():
            np.testing.assert_allclose(
                pieces[matrix].baselines[null].mean, baseline.mean, atol=1e-6, err_msg=null
            )


def test_the_gauge_changes_nothing_at_full_rank(bert: BertLike, tmp_path: Path) -> None:
    gauge = random(4, 4, seed=3).double() + 2 * torch.eye(4, dtype=torch.float64)
    turned = {
        name: (gauge @ t.double() if "lora_A" in name else t.double() @ torch.linalg.inv(gauge))
        for name, t in bert.adapter.items()
    }
    write_lora(tmp_path / "turned", BertLike(layers=0), base=str(tmp_path / "base"), extra=turned)
    one, other = (
        conversion_similarity(load_adapter(tmp_path / name), "value", draws=0)
        for name in ("lora", "turned")
    )
    for matrix in one:
        np.testing.assert_allclose(other[matrix].values, one[matrix].values, atol=1e-9)


def test_mixed_ranks_compare_up_to_the_smallest(tmp_path: Path) -> None:
    shape = BertLike(modules=("value",))
    write_base(tmp_path / "base", shape)
    write_lora(
        tmp_path / "lora", shape, base=str(tmp_path / "base"), ranks={"1.value": 2},
        config={"rank_pattern": {"layer.1.attention.self.value": 2}},
    )  # fmt: skip
    adapter = load_adapter(tmp_path / "lora")
    result = conversion_similarity(adapter, "value", draws=10)
    assert (result.i, result.j) == (2, 2)
    for matrix, grid in result.items():
        np.testing.assert_allclose(
            grid.values, slow(shape, "value", matrix, 2, 2, "left", "stored"), atol=1e-9
        )
    with pytest.raises(RankError, match="layer 1 has rank 2"):
        conversion_similarity(adapter, "value", 3)
    with pytest.raises(RankError, match="different spaces"):
        conversion_similarity(adapter, "value", 2, side="right")


# Errors


def test_unknown_module_lists_those_that_are_there(bert: BertLike, tmp_path: Path) -> None:
    with pytest.raises(ModuleLookupError, match="it has: query, value"):
        conversion_similarity(load_adapter(tmp_path / "lora"), "dense")


@pytest.mark.parametrize("settings", [{"rank": 5}, {"i": 5}, {"j": 5}, {"i": 1, "j": 9}])
def test_more_than_the_rank_names_it(
    bert: BertLike, tmp_path: Path, settings: dict[str, int]
) -> None:
    with pytest.raises(RankError, match="rank 4"):
        conversion_similarity(load_adapter(tmp_path / "lora"), "value", **settings)


def test_untrained_b_is_an_error_and_a_alone_still_works(tmp_path: Path) -> None:
    shape = BertLike()
    write_base(tmp_path / "base", shape)
    write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"))
    zero = {n: t * 0 if "lora_B" in n else t for n, t in shape.adapter.items()}
    write_lora(tmp_path / "zero", BertLike(layers=0), base=str(tmp_path / "base"), extra=zero)
    adapter = load_adapter(tmp_path / "zero")
    with pytest.raises(RankError, match="all zero in layer 0, 1, 2: the adapter is untrained"):
        conversion_similarity(adapter, "value")
    assert list(conversion_similarity(adapter, "value", matrices=["A"], draws=0)) == ["A"]


def test_singular_w0_is_an_error_under_stored_and_a_warning_under_consistent(
    tmp_path: Path,
) -> None:
    shape = BertLike()
    write_base(tmp_path / "base", shape)
    broken = dict(shape.base)
    name = f"{shape.path(1, 'value')}.weight"
    broken[name] = broken[name].clone()
    broken[name][3] = 0
    write_base(tmp_path / "base", shape, broken)
    write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"))
    adapter = load_adapter(tmp_path / "lora")
    with pytest.raises(SingularError, match=r"layer 1 \(rank 23 of 24\)"):
        conversion_similarity(adapter, "value")
    with pytest.warns(RankDeficientWarning, match="Moore-Penrose"):
        result = conversion_similarity(adapter, "value", convention="consistent", draws=5)
    for matrix, grid in result.items():
        expected = slow(shape, "value", matrix, 4, 4, "left", "consistent")
        np.testing.assert_allclose(grid.values, expected, atol=1e-9)
    assert np.isinf(result.condition_number[1])


def test_another_models_shape_is_an_error(bert: BertLike, tmp_path: Path) -> None:
    write_base(tmp_path / "wide", BertLike(width=32))
    with pytest.raises(BaseModelError, match="32x32.*24x24.*not its base model"):
        conversion_similarity(load_adapter(tmp_path / "lora", tmp_path / "wide"), "value")


@pytest.mark.parametrize("draws", [-1, 1])
def test_draws_that_give_no_deviation_are_an_error(
    bert: BertLike, tmp_path: Path, draws: int
) -> None:
    with pytest.raises(LensError, match="draws"):
        conversion_similarity(load_adapter(tmp_path / "lora"), "value", draws=draws)


def test_float32_agrees_to_its_precision(bert: BertLike, tmp_path: Path) -> None:
    adapter = load_adapter(tmp_path / "lora")
    exact, single = (
        conversion_similarity(adapter, "value", draws=0, dtype=dtype)
        for dtype in ("float64", "float32")
    )
    for matrix in exact:
        assert single[matrix].values.dtype == np.float64
        np.testing.assert_allclose(single[matrix].values, exact[matrix].values, atol=1e-3)


def test_tidy_frame_and_labels(bert: BertLike, tmp_path: Path) -> None:
    result = conversion_similarity(load_adapter(tmp_path / "lora"), "value", draws=5)
    frame = result.to_frame()
    assert len(frame) == 3 * 3 * 3
    cell = frame[(frame.matrix == "B") & (frame.layer == 2) & (frame.other_layer == 0)]
    assert cell.phi.item() == result["B"].values[2, 0]
    assert cell.propagated_mean.item() == result["B"].baselines["propagated"].mean[2, 0]
    shown = result._repr_html_()
    assert "<table>" in shown
    assert '<th style="text-align:right">z</th>' in shown  # numbers to the right, names to the left
    assert "<td>propagated</td>" in shown
    assert "; mean " in result["A"]._repr_html_()
    assert "by chance: gaussian 0." in result["A"]._repr_html_()


def test_a_result_survives_pickling(bert: BertLike, tmp_path: Path) -> None:
    result = conversion_similarity(load_adapter(tmp_path / "lora"), "value", draws=2)
    again = pickle.loads(pickle.dumps(result))
    np.testing.assert_array_equal(again["A"].values, result["A"].values)
    assert again.condition_number == pytest.approx(result.condition_number)


def test_a_pseudo_inverse_that_leaves_nothing_of_b_is_an_error(tmp_path: Path) -> None:
    shape = BertLike(modules=("value",))
    write_base(tmp_path / "base", shape)
    base = {name: w0.clone() for name, w0 in shape.base.items()}
    for w0 in base.values():
        w0[:6] = 0
    write_base(tmp_path / "base", shape, base)
    write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"))
    dead = {
        n: torch.cat([t[:6], t[6:] * 0]) if "lora_B" in n else t for n, t in shape.adapter.items()
    }
    write_lora(tmp_path / "dead", BertLike(layers=0), base=str(tmp_path / "base"), extra=dead)
    adapter = load_adapter(tmp_path / "dead")
    with (
        pytest.warns(RankDeficientWarning),
        pytest.raises(RankError, match="outside what W0 spans"),
    ):
        conversion_similarity(adapter, "value", convention="consistent")


@pytest.mark.parametrize(("inside", "said"), [(0, "but for rounding"), (1, "at most 1")])
@pytest.mark.parametrize("width", [40, 24])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("ridge", [0.0, 0.5])
def test_a_factor_outside_w0s_span_has_no_conversion(
    tmp_path: Path, ridge: float, dtype: torch.dtype, width: int, inside: int, said: str
) -> None:
    """In a file's precision a little of A is in W0's rows all the same, and W0⁺ makes a matrix of full rank of it."""
    shape = BertLike(modules=("value",), width=width)
    rng = np.random.default_rng(0)
    w0 = {}
    for layer in range(3):
        path = f"{shape.path(layer, 'value')}"
        dense = rng.standard_normal((24, width))
        dense[20:] = 0
        u, _, vh = np.linalg.svd(dense)
        a = np.concatenate([vh[:inside], vh[20 : 24 - inside]])  # W0 has no row there
        w0[f"{path}.weight"] = torch.from_numpy(dense).float()
        shape.adapter[f"base_model.model.{path}.lora_A.weight"] = torch.from_numpy(a).to(dtype)
        shape.adapter[f"base_model.model.{path}.lora_B.weight"] = torch.from_numpy(
            np.ascontiguousarray(u[:, :4])
        ).float()
    write_base(tmp_path / "base", shape, w0)
    none = BertLike(layers=0, width=width)
    write_lora(tmp_path / "lora", none, base=str(tmp_path / "base"), extra=shape.adapter)
    adapter = load_adapter(tmp_path / "lora")
    asked = functools.partial(
        conversion_similarity, adapter, "value", convention="consistent", draws=0, ridge=ridge
    )
    warned = nullcontext if ridge else functools.partial(pytest.warns, RankDeficientWarning)
    with warned():
        assert "B" in asked(matrices=["B"])
    with warned(), pytest.raises(RankError, match=said):
        asked(matrices=["A"])


def test_small_directions_inside_w0s_span_have_conversions(tmp_path: Path) -> None:
    """The least is a 3e-5th of the first; of what rounding does to it a span of 8 in 512 has an eighth."""
    shape = BertLike(layers=2, modules=("value",))
    rng = np.random.default_rng(0)
    w0, extra = {}, {}
    for layer in range(2):
        path = shape.path(layer, "value")
        rows, turned = (np.linalg.qr(rng.standard_normal((n, 4))).Q for n in (512, 4))
        a = turned @ (np.geomspace(1, 3e-5, 4)[:, None] * rows.T)
        w0[f"{path}.weight"] = torch.from_numpy(rng.standard_normal((8, 512))).float()
        extra[f"base_model.model.{path}.lora_A.weight"] = torch.from_numpy(a).float()
        extra[f"base_model.model.{path}.lora_B.weight"] = random(8, 4, seed=layer)
    write_base(tmp_path / "base", shape, w0)
    write_lora(tmp_path / "lora", BertLike(layers=0), base=str(tmp_path / "base"), extra=extra)
    found = conversion_similarity(load_adapter(tmp_path / "lora"), "value", draws=0)
    assert {"A", "B"} <= {*found}


def test_factors_that_cancel_have_no_product_to_compare(tmp_path: Path) -> None:
    shape = BertLike(modules=("value",))
    write_base(tmp_path / "base", shape)
    write_lora(tmp_path / "lora", shape, base=str(tmp_path / "base"))
    first = torch.tensor([1.0, 1, 0, 0])
    apart = {
        n: t * (1 - first) if "lora_B" in n else t * first[:, None]
        for n, t in shape.adapter.items()
    }
    write_lora(tmp_path / "apart", BertLike(layers=0), base=str(tmp_path / "base"), extra=apart)
    adapter = load_adapter(tmp_path / "apart")
    with pytest.raises(RankError, match="its factors cancel"):
        conversion_similarity(adapter, "value", 2)
    with pytest.raises(RankError, match="its factors cancel"):
        compare(adapter, adapter, "value", 2)
    assert list(conversion_similarity(adapter, "value", 2, matrices=["A", "B"], draws=0)) == [
        "A",
        "B",
    ]
