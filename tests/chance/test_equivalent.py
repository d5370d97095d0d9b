"""The propagated null's mean without draws, beside its formula by another route, and beside draws."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from planted import plant
from scipy.optimize import brentq
from slow_routes import conditioned

from lora_lens import conversion_similarity
from lora_lens.adapter import Adapter
from lora_lens.core.conversions.mean_projector import direction_shares
from lora_lens.subspaces.layers import RankDeficientWarning

SINGLE = 1e-6  # projectors are kept in float32


def planted_on(tmp_path: Path, w0: list[np.ndarray], r: int) -> Adapter:
    rng = np.random.default_rng(1)
    out, wide = w0[0].shape
    factors = [(rng.standard_normal((out, r)), rng.standard_normal((r, wide))) for _ in w0]
    return plant(tmp_path, w0, factors)


def by_formula(gain: list[np.ndarray], vectors: list[np.ndarray], r: int) -> np.ndarray:
    """Σ π_a π_b (v_a·v_b)²/r, each π by a root finder."""
    weights = []
    for g in gain:
        of = (g / g.max()) ** 2
        tau = brentq(lambda t, of=of: (of / (of + np.exp(t))).sum() - r, -80, 20, xtol=1e-14)
        weights.append(of / (of + np.exp(tau)))
    return np.array(
        [
            [p @ (v.T @ u) ** 2 @ q / r for q, u in zip(weights, vectors, strict=True)]
            for p, v in zip(weights, vectors, strict=True)
        ]
    )


@pytest.mark.parametrize("shape", [(24, 24), (36, 20), (20, 36)])
@pytest.mark.parametrize("ridge", [0.0, 0.5])
def test_is_the_formula(tmp_path: Path, shape: tuple[int, int], ridge: float) -> None:
    rng = np.random.default_rng(0)
    w0 = [conditioned(*shape, 1e3, rng) for _ in range(3)]
    result = conversion_similarity(
        planted_on(tmp_path, w0, 4), "value", convention="consistent", ridge=ridge,
        nulls=["equivalent"], draws=0,
    )  # fmt: skip
    u, s, vt = zip(*(np.linalg.svd(w, full_matrices=False) for w in w0), strict=True)
    gain = [one / (one**2 + (ridge * np.median(one)) ** 2) for one in s]
    for matrix, vectors in (("A", u), ("B", [v.T for v in vt]), ("BA", [v.T for v in vt])):
        found = result[matrix].baselines["equivalent"].mean
        np.testing.assert_allclose(found, by_formula(gain, list(vectors), 4), rtol=0, atol=SINGLE)


def test_of_orthogonal_w0_is_that_of_unrelated_subspaces(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    w0 = [np.linalg.qr(rng.standard_normal((24, 24)))[0] for _ in range(3)]
    adapter = planted_on(tmp_path, w0, 4)
    result = conversion_similarity(adapter, "value", nulls=["equivalent", "gaussian"], draws=0)
    for grid in result.values():
        mean = grid.baselines["equivalent"].mean
        np.testing.assert_allclose(mean, 4 / 24, rtol=0, atol=SINGLE)
        assert grid.baseline_mean("gaussian") == pytest.approx(4 / 24)


def test_is_near_the_mean_of_draws(tmp_path: Path) -> None:
    """Layers that share their weak directions: ten times the φ of unrelated ones, told within 3 %."""
    rng = np.random.default_rng(0)
    shared = conditioned(96, 96, 1e4, rng)
    w0 = [conditioned(96, 96, 10, rng) @ shared for _ in range(3)]
    nulls = ["equivalent", "propagated"]
    grid = conversion_similarity(planted_on(tmp_path, w0, 8), "value", nulls=nulls, draws=300)["B"]
    drawn = grid.baselines["propagated"]
    error = 4 * drawn.sd / 300**0.5
    found = grid.baselines["equivalent"].mean
    assert grid.baseline_mean("propagated") > 3 * 8 / 96
    np.testing.assert_array_less(np.abs(found - drawn.mean), 0.03 * drawn.mean + error)


def test_of_rank_deficient_w0(tmp_path: Path) -> None:
    """W0⁺ leaves nothing of the directions that W0 has not."""
    rng = np.random.default_rng(0)
    kept = np.diag(np.r_[np.ones(12), np.zeros(12)])
    w0 = [kept @ np.linalg.qr(rng.standard_normal((24, 24)))[0] for _ in range(3)]
    adapter = planted_on(tmp_path, w0, 4)
    with pytest.warns(RankDeficientWarning):
        result = conversion_similarity(
            adapter, "value", convention="consistent", nulls=["equivalent"], draws=0
        )
    np.testing.assert_allclose(result["A"].baselines["equivalent"].mean, 4 / 12, atol=SINGLE)


def test_a_null_without_a_deviation_in_json_and_words(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    adapter = planted_on(tmp_path, [conditioned(24, 24, 100, rng) for _ in range(3)], 4)
    result = conversion_similarity(adapter, "value", nulls=["equivalent"], draws=0)
    written = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    found = written["matrices"]["B"]["baselines"]["equivalent"]
    assert np.shape(found["mean"]) == (3, 3)
    assert found["sd"] is None
    assert found["of_mean"]["p"] is None
    assert found["of_mean"]["mean"] == pytest.approx(result["B"].baseline_mean("equivalent"))
    assert (
        f"random factors through the same W0 give {found['of_mean']['mean']:.3f}"
        in written["summary"]
    )


@pytest.mark.parametrize("asked", [{"side": "right"}, {"rank": 2}])
def test_is_of_whole_spans_on_the_left(tmp_path: Path, asked: dict[str, object]) -> None:
    rng = np.random.default_rng(0)
    adapter = planted_on(tmp_path, [conditioned(24, 24, 100, rng) for _ in range(3)], 4)
    result = conversion_similarity(adapter, "value", nulls=["equivalent"], draws=0, **asked)  # type: ignore[arg-type]
    for grid in result.values():
        assert "whole spans" in grid.absent["equivalent"]


def test_asking_for_it_changes_no_draws(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    adapter = planted_on(tmp_path, [conditioned(24, 24, 100, rng) for _ in range(4)], 4)
    drawn = ["propagated", "mismatched", "initialisation"]
    alone = conversion_similarity(adapter, "value", nulls=drawn, draws=20)
    beside = conversion_similarity(adapter, "value", nulls=["equivalent", *drawn], draws=20)
    for null in drawn:
        one, other = (result["A"].baselines[null].mean for result in (alone, beside))
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("count", [1, 3, 7])
def test_shares_sum_to_the_rank(count: int) -> None:
    gain = torch.logspace(0, 9, 8, dtype=torch.float64).expand(2, -1)
    assert direction_shares(gain, count).sum(-1).tolist() == pytest.approx([count] * 2)
    alike = direction_shares(torch.ones(count + 1), count)  # one more than the rank
    assert alike.tolist() == pytest.approx([count / (count + 1)] * (count + 1))


def test_shares_of_no_more_directions_than_the_rank() -> None:
    assert direction_shares(torch.tensor([3.0, 0.0, 1.0]), 2).tolist() == [1.0, 0.0, 1.0]
