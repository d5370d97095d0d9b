import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import BertLike, random, write_base, write_lora
from planted import plant
from safetensors.torch import load_file, save_file
from slow_routes import slow_phi

from lora_lens import (
    LensError,
    RankError,
    adapter_matrix,
    compare,
    gaussian_baseline,
    load_adapter,
)
from lora_lens.adapter import ModuleFactors
from lora_lens.errors import AdapterError, BaseModelError, ModuleLookupError
from lora_lens.questions.comparison.compared import compared, compared_delta
from lora_lens.subspaces.device import select_device
from lora_lens.subspaces.factors import factor_spaces


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


def test_a_w0_without_full_rank_is_told_whatever_it_is_stored_in(tmp_path: Path) -> None:
    """And its null is the formula over its directions and what lies outside them, by NumPy."""
    rng = np.random.default_rng(0)
    w0 = [rng.standard_normal((24, k)) @ rng.standard_normal((k, 24)) for k in (10, 24)]
    both = [[(rng.standard_normal((24, 3)), rng.standard_normal((3, 24))) for _ in w0] for _ in "ab"]  # fmt: skip
    means = []
    for stored in ("float64", "float32"):
        folders = [tmp_path / f"{stored}-{k}" for k in range(2)]
        kept = [w.astype(stored).astype(float) for w in w0]
        one, other = (plant(*each) for each in zip(folders, [kept] * 2, both, strict=True))
        if stored == "float32":
            path = next((folders[0] / "base").glob("*.safetensors"))
            save_file({name: t.float() for name, t in load_file(path).items()}, path)
        result = compare(one, other, "value", draws=99, base=folders[0] / "base")
        said = [note for note in result.notes if "is singular in" in note]
        assert len(said) == 1
        assert said[0].startswith("W0 of value is singular in layer 0 (rank 10 of 24): ")
        means.append({name: of.baselines["flipped"].mean for name, of in result.items()})
    for name, at in {"B": 0, "A": 1}.items():
        expected = []
        for k, w in enumerate(w0):
            u, s, vh = np.linalg.svd(w)
            directions = (u, vh.T)[at]
            bases = [np.linalg.qr((of[k][0], of[k][1].T)[at])[0] for of in both]
            p, q = (np.square(directions.T @ each).sum(1) for each in bases)
            m = int((s > 1e-9 * s[0]).sum())
            expected.append((p[:m] @ q[:m] + p[m:].sum() * q[m:].sum() / max(1, 24 - m)) / 3)
        for found in means:
            np.testing.assert_allclose(found[name], expected, atol=1e-6)


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
    assert result.notes[0].endswith("has value in layer 2")


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


def test_a_scaling_of_zero_leaves_no_delta(tmp_path: Path) -> None:
    for name, alpha in (("one", 8), ("other", 0)):
        write_lora(tmp_path / name, BertLike())
        config = tmp_path / name / "adapter_config.json"
        config.write_text(json.dumps(json.loads(config.read_text()) | {"lora_alpha": alpha}))
    with pytest.raises(RankError, match="ΔW of value is zero in layer 0: its scaling is 0"):
        compare(load_adapter(tmp_path / "one"), load_adapter(tmp_path / "other"), "value")


@pytest.mark.parametrize("half", ["A", "B"])
def test_ties_of_delta_are_by_the_coarser_factor(half: str) -> None:
    """σ₂ = σ₃ but for float32's rounding: tied, whichever factor was stored in float32."""
    rng = np.random.default_rng(0)
    u, v = (np.linalg.qr(rng.standard_normal((24, 4)))[0] for _ in range(2))
    b = torch.from_numpy(u * np.array([2, 1, 1 + 1e-8, 0.5]))[None]
    a = torch.from_numpy(v.T.copy())[None]
    a, b = (a.float(), b) if half == "A" else (a, b.float())
    assert factor_spaces(a, b, 2).tied["delta_left"].tolist() == [True]
    factors = ModuleFactors("value", "*.value", (0,), ("0.value",), a, b, torch.ones(1), (4,))
    assert compared(factors, 2, select_device("cpu", "float64"), None).ties["ΔW"].tolist() == [True]


def test_ties_of_a_dense_delta() -> None:
    """Of what was trained in full nobody said so, and of DoRA's ΔW."""
    a, b = torch.eye(4)[None], torch.diag(torch.tensor([3.0, 2.0, 2.0, 1.0]))[None]
    factors = ModuleFactors("value", "*.value", (0,), ("0.value",), a, b, torch.ones(1), (4,))
    here = select_device("cpu", "float64")
    for k, expected in ((1, False), (2, True), (3, False), (4, False)):
        assert compared_delta(factors, k, here).ties["ΔW"].tolist() == [expected]


@pytest.mark.parametrize(("i", "j"), [(4, 4), (2, 3)])
def test_mismatched_is_the_others_layers_in_every_order(
    pair: tuple[BertLike, BertLike], tmp_path: Path, i: int, j: int
) -> None:
    one, other = (load_adapter(tmp_path / name) for name in ("one", "other"))
    result = compare(one, other, "value", i=i, j=j, draws=10)
    for matrix, name, side in (("A", "A", "right"), ("B", "B", "left")):
        phi = np.array(
            [
                [
                    slow_phi(factor(pair[0], l, name), factor(pair[1], m, name), i, j, side)
                    for m in range(3)
                ]
                for l in range(3)
            ]
        )
        series = result[matrix]
        baseline, test = series.baselines["mismatched"], series.tests["mismatched"]
        means = [
            np.mean([phi[l, m] for l, m in enumerate(order)])
            for order in itertools.permutations(range(3))
        ]
        others = [
            np.mean([phi[l, m] for l, m in enumerate(order)]) for order in ((1, 2, 0), (2, 0, 1))
        ]
        assert baseline.draws == 5
        assert test.of_mean.mean == pytest.approx(np.mean(others))
        assert test.of_mean.sd == pytest.approx(np.std(others))
        # All six orders are there, so the p-value is the exact one.
        assert test.of_mean.p == pytest.approx(np.mean(np.array(means) >= means[0] - 1e-9))
        for l in range(3):
            values = [phi[l, m] for m in range(3) if m != l]
            assert baseline.mean[l] == pytest.approx(np.mean(values))
            assert test.p[l] == pytest.approx((1 + sum(v >= phi[l, l] for v in values)) / 3)
        assert not test.findable
    row = result.rows()[4]
    assert row["matrix"] == "B"
    assert row["mismatched_mean"] == result["B"].baselines["mismatched"].mean[1]
    assert result.to_dict()["matrices"]["B"]["baselines"]["mismatched"]["draws"] == 5


@pytest.mark.parametrize("layers", [4, 6])
def test_the_largest_of_the_layers_by_all_orders(layers: int, tmp_path: Path) -> None:
    """p_max of the mismatched null, one order after the other."""
    shape = BertLike(layers=layers, width=12, rank=2)
    for name, seed in (("one", 1), ("other", 2)):
        write_lora(tmp_path / name, shape, seed=seed)
    one, other = (load_adapter(tmp_path / name) for name in ("one", "other"))
    for matrix, series in compare(one, other, "value").items():
        if matrix == "delta":
            continue
        side = "right" if matrix == "A" else "left"
        x, y = ((f.a if matrix == "A" else f.b).double().numpy()
                for f in (one.modules["value"], other.modules["value"]))  # fmt: skip
        phi = np.array([[slow_phi(u, v, 2, 2, side) for v in y] for u in x])
        z = (phi - phi.mean(1, keepdims=True)) / phi.std(1, keepdims=True)
        orders = itertools.permutations(range(layers))
        highest = np.array([max(z[l, m] for l, m in enumerate(order)) for order in orders])
        expected = [(highest >= z[l, l] - 1e-9).mean() for l in range(layers)]
        np.testing.assert_allclose(series.tests["mismatched"].p_max, expected, atol=1e-12)


def test_equal_a_in_every_layer_is_no_part_of_what_other_layers_give(tmp_path: Path) -> None:
    """Runs of one seed that hardly moved A: matched layers are equal, and others unrelated."""
    rng = np.random.default_rng(0)
    w0 = [np.eye(64) for _ in range(8)]
    a = [rng.standard_normal((2, 64)) for _ in range(8)]
    pair = [
        plant(tmp_path / name, w0, [(rng.standard_normal((64, 2)), x) for x in a])
        for name in ("one", "other")
    ]
    found = compare(*pair, "value", draws=300)["A"].tests["mismatched"]
    phi = np.array([[slow_phi(x, y, 2, 2, "right") for y in a] for x in a])
    assert found.of_mean.mean == pytest.approx(phi[~np.eye(8, dtype=bool)].mean(), rel=1e-12)
    assert found.of_mean.mean < 0.05
    assert found.of_mean.excess == pytest.approx(1)
    assert found.of_mean.p == pytest.approx(1 / 301)


def test_one_new_head_makes_b_alike_and_a_note_says_so(tmp_path: Path) -> None:
    """One step of y = head·(W0 + B·A)·x from B = 0, of two data sets and two A: B's only column is the head's."""
    rng = np.random.default_rng(0)
    w0 = [rng.standard_normal((24, 24)) for _ in range(6)]
    head = rng.standard_normal(24)
    pair = []
    for name in ("one", "other"):
        a = [rng.standard_normal((2, 24)) for _ in w0]
        b = [np.outer(head, x @ rng.standard_normal(24)) for x in a]
        pair.append(plant(tmp_path / name, w0, list(zip(b, a, strict=True))))
    result = compare(*pair, "value", i=1, j=1, draws=99)
    assert result["B"].mean == pytest.approx(1)
    assert any("new head" in note for note in result.notes)


def test_layers_that_are_like_their_own_counterparts_alone(tmp_path: Path) -> None:
    """B's of layer l are equal in both adapters; with what all layers have in common it is no more than that."""
    rng = np.random.default_rng(0)
    w0 = [np.eye(40) for _ in range(6)]
    a = [rng.standard_normal((2, 40)) for _ in range(12)]
    common = [rng.standard_normal((40, 2)) for _ in range(6)]
    own = plant(tmp_path / "one", w0, list(zip(common, a[:6], strict=True)))
    same = plant(tmp_path / "other", w0, list(zip(common, a[6:], strict=True)))
    found = compare(own, same, "value", draws=199)["B"].tests["mismatched"].of_mean
    assert found.p == 1 / 200
    assert found.excess == pytest.approx(1)
    alike = [
        plant(
            tmp_path / f"alike{k}", w0,
            [(common[0] + 0.3 * rng.standard_normal((40, 2)), x) for x in a[:6]],
        )
        for k in range(2)
    ]  # fmt: skip
    tests = compare(*alike, "value", draws=199)["B"].tests
    assert tests["gaussian"].of_mean.p == 1 / 200
    assert abs(tests["mismatched"].of_mean.z) < 2.5


def test_two_layers_cannot_be_shuffled(tmp_path: Path) -> None:
    write_lora(tmp_path / "short", BertLike(layers=2))
    adapter = load_adapter(tmp_path / "short")
    result = compare(adapter, adapter, "value", draws=5)
    assert list(result["A"].baselines) == ["gaussian"]
    assert "the null mismatched is left out: it takes at least 3 layers to mismatch" in result.notes
    with pytest.raises(LensError, match="draws is 1; expected 0 for no sampled nulls"):
        compare(adapter, adapter, "value", draws=1)


def test_doras_on_two_bases_are_each_made_with_their_own(tmp_path: Path) -> None:
    """As `matrix` has it; where none is at hand, what is missing is named."""
    shape = BertLike(modules=("value",))
    names = [f"base_model.model.bert.{shape.path(k, 'value')}" for k in range(3)]
    magnitude = {f"{name}.lora_magnitude_vector.weight": torch.linspace(1, 3, 24) for name in names}
    for k, name in enumerate(("one", "other")):
        weights = {
            f"{shape.path(layer, 'value')}.weight": random(24, 24, seed=7 * k + layer)
            for layer in range(3)
        }
        base = write_base(tmp_path / f"base-{name}", shape, weights)
        write_lora(
            tmp_path / name, shape, base=str(base), seed=k, config={"use_dora": True}, extra=magnitude
        )  # fmt: skip
    both = tmp_path / "one", tmp_path / "other"
    for beside_w0 in (None, False):
        found = compare(*both, draws=0, rank=4, beside_w0=beside_w0)
        assert list(found["delta"].baselines) == ["gaussian"]
        pair = adapter_matrix(both, draws=0, rank=4)
        assert found["delta"].mean == pytest.approx(pair.values[0, 1], abs=1e-12)
    shutil.rmtree(tmp_path / "base-other")
    with pytest.raises(BaseModelError, match="base-other"):
        compare(*both, draws=0, rank=4)
