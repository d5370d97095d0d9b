import json
import math
from pathlib import Path

import numpy as np
import pytest
from planted import orthogonal, plant, regauged, unit

from lora_lens import RankError, amplification, spectrum


def test_known_answer_on_a_diagonal_w0(tmp_path: Path) -> None:
    w0 = np.diag(np.arange(10.0, 0, -1))
    b, a = unit(10, 3, 6) * [3, 2], unit(10, 3, 6).T
    (layer,) = amplification(plant(tmp_path, [w0], [(b, a)], scaling=2), "value").layers
    assert layer.rank == 2
    assert layer.delta_norm == pytest.approx(2 * math.sqrt(13))
    assert layer.w0_in_delta == pytest.approx(math.sqrt(7**2 + 4**2))
    assert layer.w0_in_w0 == pytest.approx(math.sqrt(10**2 + 9**2))
    assert layer.w0_norm == pytest.approx(math.sqrt(385))
    assert layer.w0_in_random == pytest.approx(2 * math.sqrt(385) / 10)
    assert layer.factor == pytest.approx(2 * math.sqrt(13) / math.sqrt(65))
    assert layer.z == pytest.approx((65 - 4 * 3.85) / layer.random_square_sd)


def test_w0_has_nothing_in_directions_off_its_diagonal(tmp_path: Path) -> None:
    w0 = np.diag(np.arange(6.0, 0, -1))
    result = amplification(plant(tmp_path, [w0], [(unit(6, 0), unit(6, 1).T)]), "value")
    assert result.layers[0].w0_in_delta == 0
    assert result.layers[0].factor == math.inf
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["layers"][0]["factor"] is None


def test_an_overlap_that_is_only_rounding_counts_as_none(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    q, p = orthogonal(6, rng), orthogonal(6, rng)
    w0 = q @ np.diag(np.arange(6.0, 0, -1)) @ p.T
    result = amplification(plant(tmp_path, [w0], [(q[:, :1], p[:, 1:2].T)]), "value")
    assert result.layers[0].factor == math.inf


def test_delta_along_w0_itself_reaches_the_most_that_any_directions_can(tmp_path: Path) -> None:
    w0 = np.random.default_rng(0).standard_normal((7, 5))
    u, s, vh = np.linalg.svd(w0)
    adapter = plant(tmp_path, [w0], [(u[:, :3] * [9, 8, 7], vh[:3])])
    (layer,) = amplification(adapter, "value").layers
    assert (
        layer.w0_in_delta == pytest.approx(layer.w0_in_w0) == pytest.approx(np.linalg.norm(s[:3]))
    )


@pytest.mark.parametrize("rank", [None, 2])
def test_equals_dense_svds(tmp_path: Path, rank: int | None) -> None:
    rng = np.random.default_rng(1)
    w0 = [rng.standard_normal((8, 6)) for _ in range(2)]
    factors = [(rng.standard_normal((8, r)), rng.standard_normal((r, 6))) for r in (3, 4)]
    result = amplification(plant(tmp_path, w0, factors, scaling=0.5), "value", rank)
    for k, layer in enumerate(result.layers):
        delta = 0.5 * factors[k][0] @ factors[k][1]
        r = rank or len(factors[k][1])
        u, _, vh = np.linalg.svd(delta)
        inside = np.linalg.norm(u[:, :r].T @ w0[k] @ vh[:r].T)
        assert layer.w0_in_delta == pytest.approx(inside)
        assert layer.factor == pytest.approx(np.linalg.norm(delta) / inside)
        assert layer.delta_top_norm == pytest.approx(np.linalg.norm(u[:, :r].T @ delta @ vh[:r].T))
        own_u, _, own_vh = np.linalg.svd(w0[k])
        own = np.linalg.norm(own_u[:, :r].T @ w0[k] @ own_vh[:r].T)
        assert layer.w0_in_w0 == pytest.approx(own)
    assert bool(result.notes) == (rank is not None)


def test_neither_gauge_nor_a_turned_space_changes_a_number(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    w0 = rng.standard_normal((8, 6))
    factors = [(rng.standard_normal((8, 3)), rng.standard_normal((3, 6)))]
    q, p = orthogonal(8, rng), orthogonal(6, rng)
    turned = [(q @ b, a @ p.T) for b, a in factors]
    results = [
        amplification(plant(tmp_path / name, [weight], pairs), "value").layers[0].to_dict()
        for name, weight, pairs in (
            ("as it is", w0, factors),
            ("gauge", w0, regauged(factors, rng)),
            ("turned", q @ w0 @ p.T, turned),
        )
    ]
    assert results[1] == pytest.approx(results[0])
    assert results[2] == pytest.approx(results[0])


def test_random_directions_have_the_random_factor(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    w0 = rng.standard_normal((30, 20)) * np.geomspace(10, 0.1, 20)
    factors = [(rng.standard_normal((30, 4)), rng.standard_normal((4, 20))) for _ in range(80)]
    layers = amplification(plant(tmp_path, [w0] * 80, factors), "value").layers
    z = np.array([layer.z for layer in layers])
    assert abs(z.mean()) < 5 / math.sqrt(80)
    assert z.std() == pytest.approx(1, abs=0.4)  # heavy upper tail


def test_more_directions_than_delta_has_are_refused(tmp_path: Path) -> None:
    adapter = plant(tmp_path, [np.eye(6)], [(unit(6, 0, 1), unit(6, 0, 1).T)])
    for rank in (0, 3):
        with pytest.raises(RankError, match="which has rank 2 in layer 0; expected 1 to 2"):
            amplification(adapter, "value", rank)


def test_a_layer_whose_delta_is_zero_is_left_out_with_spectrum_s_note(tmp_path: Path) -> None:
    w0, one, nothing = np.eye(6), (unit(6, 0), unit(6, 0).T), (0 * unit(6, 0), unit(6, 0).T)
    whole = amplification(plant(tmp_path / "whole", [w0, w0], [one, one]), "value")
    adapter = plant(tmp_path / "part", [w0, w0, w0], [one, nothing, one])
    result = amplification(adapter, "value")
    assert [layer.layer for layer in result.layers] == [0, 2]
    assert [layer.factor for layer in result.layers] == [layer.factor for layer in whole.layers]
    (note,) = result.notes
    assert note.startswith("ΔW is zero in bert.encoder.layer.1.attention.self.value: untrained")
    assert note in spectrum(adapter, "value", draws=0).notes
    assert amplification(adapter, "value", rank=1).layers == result.layers


def test_a_module_whose_delta_is_zero_everywhere_is_refused(tmp_path: Path) -> None:
    zero = plant(tmp_path, [np.eye(6)] * 2, [(0 * unit(6, 0), unit(6, 0).T)] * 2)
    with pytest.raises(RankError, match="ΔW of value is zero in layer 0: the adapter is untrained"):
        amplification(zero, "value")
