import json
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import BertLike, write_base, write_lora
from planted import Array, orthogonal, plant, regauged, unit

from lora_lens import (
    LensError,
    RankError,
    load_adapter,
    spectrum,
)
from lora_lens.errors import BaseModelError, ModuleLookupError


def slow_intruders(w0: Array, tuned: Array, k: int, epsilon: float) -> int:
    """Shuttleworth et al. 2024, algorithm 1, by loops."""
    u0, u = np.linalg.svd(w0)[0], np.linalg.svd(tuned)[0]
    found = 0
    for j in range(k):
        found += all(abs(u0[:, i] @ u[:, j]) < epsilon for i in range(min(w0.shape)))
    return found


def test_known_spectrum(tmp_path: Path) -> None:
    b, a = unit(9, 0, 1, 2) * [3, 4, 0], unit(9, 3, 4, 5).T
    found = spectrum(plant(tmp_path, [np.eye(9)], [(b, a)], scaling=2), beside_w0=False)
    (one,) = found.layers
    np.testing.assert_allclose(one.singular_values, [8, 6, 0], atol=1e-12)
    assert (one.frobenius_norm, one.spectral_norm) == pytest.approx((10, 8))
    assert one.stable_rank == pytest.approx(100 / 64)
    p, q = np.array([8, 6]) / 14, np.array([0.64, 0.36])
    assert one.effective_rank_s == pytest.approx(np.exp(-(p * np.log(p)).sum()))
    assert one.effective_rank_s2 == pytest.approx(np.exp(-(q * np.log(q)).sum()))
    assert (one.rank_90, one.rank_95, one.rank_99) == (2, 2, 2)
    assert one.beside_w0 is None
    rows = found.singular_values()
    assert [row["index"] for row in rows] == [1, 2, 3]
    assert [row["singular_value"] for row in rows] == pytest.approx([8, 6, 0], abs=1e-12)
    assert [row["energy"] for row in rows] == pytest.approx([0.64, 1, 1])
    assert [row["above_product_edge"] for row in rows] == [False] * 3


def test_equal_singular_values_have_all_ranks_equal(tmp_path: Path) -> None:
    (one,) = spectrum(
        plant(tmp_path, [np.eye(9)], [(unit(9, 0, 1, 2, 3), unit(9, 0, 1, 2, 3).T)])
    ).layers
    ranks = (one.stable_rank, one.effective_rank_s, one.effective_rank_s2, one.rank_99)
    assert ranks == pytest.approx((4, 4, 4, 4))


def test_equals_dense_svds(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    w0 = [rng.standard_normal((14, 10)) for _ in range(2)]
    factors = [(rng.standard_normal((14, r)), rng.standard_normal((r, 10))) for r in (3, 5)]
    result = spectrum(plant(tmp_path, w0, factors, scaling=0.7), ks=[1, 4, 10], epsilons=[0.5, 0.9])
    for k, one in enumerate(result.layers):
        delta = 0.7 * factors[k][0] @ factors[k][1]
        s, s0 = np.linalg.svd(delta)[1][: k * 2 + 3], np.linalg.svd(w0[k])[1]
        after = np.linalg.svd(w0[k] + delta)[1]
        share, energy = s / s.sum(), s**2 / (s**2).sum()
        np.testing.assert_allclose(one.singular_values, s)
        assert one.stable_rank == pytest.approx((s**2).sum() / s[0] ** 2)
        assert one.effective_rank_s == pytest.approx(np.exp(-(share * np.log(share)).sum()))
        assert one.effective_rank_s2 == pytest.approx(np.exp(-(energy * np.log(energy)).sum()))
        for name, wanted in (("rank_90", 0.9), ("rank_95", 0.95), ("rank_99", 0.99)):
            assert getattr(one, name) == int(np.argmax(np.cumsum(energy) >= wanted)) + 1
        r = len(s)
        edge = np.linalg.norm(s) / np.sqrt(r) * (1 + np.sqrt(r / 14)) * (1 + np.sqrt(r / 10))
        assert one.product_edge == pytest.approx(edge)
        beside = one.beside_w0
        assert beside is not None
        assert beside.relative_frobenius_norm == pytest.approx(
            np.linalg.norm(delta) / np.linalg.norm(w0[k])
        )
        assert beside.relative_spectral_norm == pytest.approx(s[0] / s0[0])
        assert beside.w0_stable_rank == pytest.approx((s0**2).sum() / s0[0] ** 2)
        edges = [
            np.sqrt((m**2).mean()) * (np.sqrt(14) + np.sqrt(10)) for m in (w0[k], w0[k] + delta)
        ]
        assert (beside.w0_edge, beside.tuned_edge) == pytest.approx(tuple(edges))
        assert beside.w0_above_edge == (s0 > edges[0]).sum()
        assert beside.delta_above_w0_edge == (s > edges[0]).sum()
        assert beside.tuned_above_edge == (after > edges[1]).sum()
    assert len(result.intruders()) == 2 * 3 * 2
    for row in result.intruders():
        b, a = factors[row["layer"]]
        tuned = w0[row["layer"]] + 0.7 * b @ a
        assert row["count"] == slow_intruders(w0[row["layer"]], tuned, row["k"], row["epsilon"])


def counts(tmp_path: Path, w0: Array, b: Array, a: Array, k: int, epsilon: float) -> int:
    result = spectrum(plant(tmp_path, [w0], [(b, a)]), ks=[k], epsilons=[epsilon])
    (row,) = result.intruders()
    return int(row["count"])


def test_a_planted_direction_that_w0_lacks_is_one_intruder(tmp_path: Path) -> None:
    w0 = np.diag(np.arange(16.0, 0, -1))
    even = np.full((16, 1), 0.25)  # a quarter of every singular vector of W0
    assert counts(tmp_path / "1", w0, 1000 * even, even.T, 1, 0.26) == 1
    assert counts(tmp_path / "2", w0, 1000 * even, even.T, 1, 0.24) == 0


def test_strengthening_what_is_there_makes_no_intruder(tmp_path: Path) -> None:
    w0 = np.diag(np.arange(16.0, 0, -1))
    assert counts(tmp_path / "1", w0, 100 * unit(16, 9), unit(16, 9).T, 5, 0.999) == 0
    assert counts(tmp_path / "2", w0, 0 * unit(16, 9), unit(16, 9).T, 16, 0.999) == 0


def test_the_null_space_of_w0_is_no_direction_of_it(tmp_path: Path) -> None:
    w0 = np.diag([5.0, 4, 3, 0, 0, 0])
    assert counts(tmp_path, w0, 50 * unit(6, 5), unit(6, 5).T, 1, 0.5) == 1


def test_vectors_above_the_rank_are_not_counted(tmp_path: Path) -> None:
    w0 = np.diag([5.0, 4, 3, 0, 0, 0])
    adapter = plant(tmp_path, [w0], [(50 * unit(6, 5), unit(6, 5).T)])
    result = spectrum(adapter, ks=[1, 6], epsilons=[0.5], draws=0)
    assert [row["count"] for row in result.intruders()] == [1, 1]
    assert "has rank 4 in layer 0" in result.notes[0]
    with pytest.raises(RankError, match="6 vectors were looked at"):
        result.intruders([7])


def test_outside_the_columns_of_a_tall_w0_is_an_intruder(tmp_path: Path) -> None:
    w0 = np.vstack([np.diag([5.0, 4, 3]), np.zeros((4, 3))])
    assert counts(tmp_path, w0, 50 * unit(7, 6), unit(3, 2).T, 1, 0.5) == 1


def test_random_directions_of_one_size_are_intruders_as_often_as_random_ones(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(4)
    w0 = [np.diag(np.linspace(2, 1, 20)) for _ in range(30)]
    x, y = ([v / np.linalg.norm(v) for v in rng.standard_normal((30, 20, 1))] for _ in range(2))
    # About as large as W0, so that some make an intruder and some do not.
    adapter = plant(tmp_path, w0, [(2.5 * b, a.T) for b, a in zip(x, y, strict=True)])
    result = spectrum(adapter, ks=[1], epsilons=[0.7], draws=4)
    found = np.mean([row["count"] for row in result.intruders()])
    null = np.mean([row["random_mean"] for row in result.intruders()])
    assert 0.2 < null < 0.98
    assert found == pytest.approx(null, abs=5 * np.sqrt(null * (1 - null) * (1 / 30 + 1 / 120)))
    again = spectrum(adapter, ks=[1], epsilons=[0.7], draws=4)
    assert again.intruders() == result.intruders()
    other = spectrum(adapter, ks=[1], draws=4, seed=1).layers[0].beside_w0
    assert other is not None
    assert other.random_cosines != result.layers[0].beside_w0.random_cosines  # type: ignore[union-attr]


def random_cosines(folder: Path, module: str | None = None) -> dict[str, object]:
    """By name, what random ΔW give."""
    layers = spectrum(load_adapter(folder), module, draws=2).layers
    return {one.name: one.beside_w0.random_cosines for one in layers if one.beside_w0}


def test_a_layers_random_draws_do_not_depend_on_the_others(tmp_path: Path) -> None:
    """One whose B is zero draws nothing, and a module by itself passes over all others."""
    shape = BertLike(layers=3, width=12, modules=("query", "value"), rank=2)
    base = write_base(tmp_path / "base", shape)
    write_lora(tmp_path / "all", shape, base=str(base))
    every = random_cosines(tmp_path / "all")
    assert len({str(found) for found in every.values()}) == 6
    for module in shape.modules:
        alone = random_cosines(tmp_path / "all", module)
        assert alone == {name: every[name] for name in alone}
    zeroed = f"base_model.model.bert.{shape.path(1, 'query')}.lora_B.weight"
    write_lora(tmp_path / "one", shape, base=str(base), extra={zeroed: torch.zeros(12, 2)})
    one = random_cosines(tmp_path / "one")
    assert [name for name in every if one[name] != every[name]] == [
        name for name in every if name.endswith(shape.path(1, "query"))
    ]


def test_no_draws_no_comparison(tmp_path: Path) -> None:
    adapter = plant(tmp_path, [np.eye(5)], [(unit(5, 1), unit(5, 1).T)])
    assert {row["random_mean"] for row in spectrum(adapter, draws=0).intruders()} == {None}
    with pytest.raises(LensError, match="draws is -1"):
        spectrum(adapter, draws=-1)


def test_a_spike_in_noise_is_what_exceeds_the_edge(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    noise, x, y = rng.standard_normal((80, 60)), rng.standard_normal(80), rng.standard_normal(60)
    spike = np.outer(x, y) / np.linalg.norm(x) / np.linalg.norm(y)
    factors = (30 * unit(80, 0, 1) * [1, 0.1], unit(60, 0, 1).T)
    (one,) = spectrum(plant(tmp_path, [noise + 40 * spike], [factors])).layers
    beside = one.beside_w0
    assert beside is not None
    assert (beside.w0_above_edge, beside.delta_above_w0_edge, beside.tuned_above_edge) == (1, 1, 2)
    assert one.above_product_edge == 1


def test_neither_gauge_nor_a_turned_space_changes_a_number(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    w0 = rng.standard_normal((12, 9))
    factors = [(rng.standard_normal((12, 3)), rng.standard_normal((3, 9)))]
    q, p = orthogonal(12, rng), orthogonal(9, rng)
    rows = []
    for name, weight, pairs in (
        ("as it is", w0, factors),
        ("gauge", w0, regauged(factors, rng)),
        ("turned", q @ w0 @ p.T, [(q @ b, a @ p.T) for b, a in factors]),
    ):
        (one,) = spectrum(plant(tmp_path / name, [weight], pairs)).layers
        found = one.to_dict()
        own = set(found) - {"name", "module", "matrix", "random_cosines"}
        rows.append([found[key] for key in sorted(own)])
    for other in rows[1:]:
        for x, y in zip(rows[0], other, strict=True):
            np.testing.assert_allclose(x, y, atol=1e-9)


def test_float32_agrees_with_float64(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    w0 = rng.standard_normal((12, 9))
    factors = [(rng.standard_normal((12, 3)), rng.standard_normal((3, 9)))]
    adapter = plant(tmp_path, [w0], factors)
    (one,), (other,) = (spectrum(adapter, dtype=dtype).layers for dtype in ("float64", "float32"))
    assert one.beside_w0 is not None
    assert other.beside_w0 is not None
    np.testing.assert_allclose(one.singular_values, other.singular_values, rtol=1e-5)
    np.testing.assert_allclose(one.beside_w0.cosines, other.beside_w0.cosines, atol=1e-4)


def test_an_untrained_layer_has_no_ranks_and_is_named(tmp_path: Path) -> None:
    result = spectrum(plant(tmp_path, [np.eye(5)], [(0 * unit(5, 1), unit(5, 1).T)]))
    (one,) = result.layers
    assert (one.frobenius_norm, one.stable_rank, one.rank_95, one.above_product_edge) == (
        0,
        None,
        None,
        0,
    )
    assert "layer.0.attention.self.value: untrained" in " ".join(result.notes)
    assert result.singular_values()[0]["energy"] is None
    json.dumps(result.to_dict(), allow_nan=False)


def test_without_its_base_the_rest_is_there_and_said_so(tmp_path: Path) -> None:
    plant(tmp_path, [np.eye(5)], [(unit(5, 1), unit(5, 1).T)])
    (tmp_path / "base" / "model.safetensors").unlink()
    adapter = load_adapter(tmp_path / "lora")
    result = spectrum(adapter)
    assert (result.base, result.ks, result.intruders()) == (None, (), [])
    assert result.notes[0].startswith("W0 is left out")
    assert spectrum(adapter, beside_w0=False).notes == ()
    with pytest.raises(BaseModelError):
        spectrum(adapter, beside_w0=True)
    with pytest.raises(BaseModelError):
        spectrum(load_adapter(tmp_path / "lora", tmp_path / "base"))


def test_what_is_all_zero_is_named(tmp_path: Path) -> None:
    away = plant(
        tmp_path / "1", [np.eye(4), np.eye(4)], [(np.eye(4), np.eye(4)), (-np.eye(4), np.eye(4))]
    )
    with pytest.raises(RankError, match=r"W0 \+ ΔW of value in layer 1 is all zero"):
        spectrum(away)
    nothing = plant(tmp_path / "2", [0 * np.eye(4)], [(np.eye(4), np.eye(4))])
    with pytest.raises(RankError, match="W0 of value in layer 0 is all zero"):
        spectrum(nothing)


def test_errors(tmp_path: Path) -> None:
    adapter = plant(tmp_path, [np.eye(5)], [(unit(5, 1), unit(5, 1).T)])
    with pytest.raises(RankError, match="1 to 5, the width of W0"):
        spectrum(adapter, ks=[6])
    with pytest.raises(LensError, match="above 0 and at most 1"):
        spectrum(adapter, epsilons=[1.5])
    with pytest.raises(LensError, match="share of energy is 1.5"):
        spectrum(adapter, energy=1.5)
    with pytest.raises(ModuleLookupError, match="it has: value"):
        spectrum(adapter, "fc1")


def test_two_equal_ones_that_no_intruder_hangs_on_are_not_told(tmp_path: Path) -> None:
    """As there are by chance among thousands, where one is far larger."""
    rng = np.random.default_rng(0)
    left, right = orthogonal(6, rng), orthogonal(6, rng)
    w0 = left @ np.diag([9.0, 5.0, 4.0, 3.0, 1.0, 1.0]) @ right
    factors = [(0.1 * left[:, :1], right[:1])]
    notes = spectrum(plant(tmp_path, [w0], factors), draws=0, ks=[2]).notes
    assert not any("equal to rounding" in said for said in notes)
    (tmp_path / "hanging").mkdir()
    turned = [(20 * (left[:, 4:5] + left[:, 5:]) / 2**0.5, (right[4:5] + right[5:]) / 2**0.5)]
    notes = spectrum(plant(tmp_path / "hanging", [w0], turned), draws=0, ks=[2]).notes
    assert any("equal to rounding" in said for said in notes)


def test_equal_singular_values_of_w0_are_told_once(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    factors = [(unit(6, 0), unit(6, 2).T)] * 2
    for told, w0 in ((1, orthogonal(6, rng)), (0, rng.standard_normal((6, 6)))):
        notes = spectrum(plant(tmp_path / f"{told}", [w0] * 2, factors), draws=0).notes
        assert sum("equal to rounding" in said for said in notes) == told
