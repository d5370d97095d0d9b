"""φ between conversions of an adapter's own factors, turned by signs on their W0's singular directions."""

from __future__ import annotations

import itertools
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from planted import plant
from slow_routes import Array, conditioned, slow_conversions, slow_phi, slow_ridge_conversions

from lora_lens import conversion_similarity
from lora_lens.adapter import Adapter
from lora_lens.chance.flips import directions
from lora_lens.questions.similarity import QUESTION


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def every_flip(w: Array, factor: Array) -> list[Array]:
    """The factor turned by all signs on W's left singular directions; what lies outside stays."""
    u = np.linalg.svd(w, full_matrices=False)[0]
    outside = factor - u @ u.T @ factor
    signs = itertools.product((1, -1), repeat=u.shape[1])
    return [outside + u @ np.diag(one) @ u.T @ factor for one in signs]


def converted(w: Array, a: Array, b: Array, convention: str, ridge: float) -> dict[str, Array]:
    if ridge:
        return slow_ridge_conversions(w, a, b, convention, ridge)
    return slow_conversions(w, a, b, convention)


@pytest.mark.parametrize("ridge", [0, 3])
@pytest.mark.parametrize(
    ("rows", "columns", "convention"),
    [(5, 5, "stored"), (5, 5, "consistent"), (6, 4, "consistent"), (4, 6, "consistent")],
)
@pytest.mark.parametrize(("i", "j"), [(2, 2), (1, 2)])
def test_draws_are_of_all_flips(
    tmp_path: Path, rng: np.random.Generator, rows: int, columns: int, convention: str, i: int,
    j: int, ridge: float,
) -> None:  # fmt: skip
    """Second route: every flip of both layers, each converted and compared by full SVDs."""
    w0 = [conditioned(rows, columns, 10, rng) for _ in range(2)]
    factors = [(rng.standard_normal((rows, 2)), rng.standard_normal((2, columns))) for _ in w0]
    result = conversion_similarity(
        plant(tmp_path, w0, factors), "value", i=i, j=j, convention=convention,
        ridge=ridge, nulls=["flipped"], draws=3000,
    )  # fmt: skip
    turned: dict[str, list[list[Array]]] = {"A": [], "B": [], "BA": []}
    for w, (b, a) in zip(w0, factors, strict=True):
        of_a = w.T if convention == "consistent" else w
        for matrix, flips in {"A": every_flip(of_a, a.T), "B": every_flip(w, b)}.items():
            some = [
                converted(
                    w, one.T if matrix == "A" else a, one if matrix == "B" else b, convention, ridge
                )
                for one in flips
            ]
            turned[matrix].append([one[matrix] for one in some])
            if matrix == "B":
                turned["BA"].append([one["BA"] for one in some])
    for matrix, (first, second) in turned.items():
        every = np.array([[slow_phi(x, y, i, j) for y in second] for x in first])
        null = result[matrix].baselines["flipped"]
        drawn = null.drawn[:, 0, 1]
        apart = np.abs(drawn[:, None] - np.unique(every.round(6))).min(1)
        assert apart.max() < 5e-6  # bases of draws are kept in float32
        error = every.std() / np.sqrt(3000)
        assert abs(null.mean[0, 1] - every.mean()) < 4 * error + 1e-6
        assert abs(null.sd[0, 1] - every.std()) < 0.1 * every.std() + 1e-6


def alike_inside(rng: np.random.Generator, layers: int = 4, d: int = 24) -> list[Array]:
    """W0 of layers whose leading input directions are the same."""
    v = np.linalg.qr(rng.standard_normal((d, d)))[0]
    turns = [np.linalg.qr(rng.standard_normal((d, d)))[0] for _ in range(layers)]
    return [u * np.logspace(0, -1.5, d) @ v.T for u in turns]


def p_of(adapter: Adapter, null: str, seed: int) -> float:
    grid = conversion_similarity(
        adapter, "value", ridge=3, nulls=[null], draws=39, seed=seed, matrices="B"
    )["B"]
    return grid.significance[null].of_mean.p


def test_its_level_where_factors_lie_along_their_own_w0(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    """Where the propagated null takes what shares nothing for shared; and it finds what is."""
    found = {"propagated": 0, "flipped": 0, "shared": 0}
    a = np.eye(24)[:2]
    for number in range(60):
        w0 = alike_inside(rng)
        own = [(w @ rng.standard_normal((24, 2)), a) for w in w0]
        adapter = plant(tmp_path / str(number), w0, own)
        for null in ("propagated", "flipped"):
            found[null] += p_of(adapter, null, number) <= 0.05
        theta = rng.standard_normal((24, 2))
        one = plant(tmp_path / f"shared-{number}", w0, [(w @ theta, a) for w in w0])
        found["shared"] += p_of(one, "flipped", number) <= 0.05
    assert found["propagated"] >= 40
    assert found["flipped"] <= 8  # of 60 at .05: more come up in one case of 400
    assert found["shared"] >= 55


def test_factors_of_w0s_own_directions_are_turned_onto_themselves(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    """As PiSSA's are before training: flips change nothing, and rounding is no finding."""
    w0 = [conditioned(16, 16, 1e3, rng) for _ in range(3)]
    factors = []
    for w in w0:
        u, s, vh = np.linalg.svd(w)
        factors.append((u[:, :2] * s[:2], vh[:2]))
    for ridge in (0, 3):
        result = conversion_similarity(
            plant(tmp_path / str(ridge), w0, factors), "value", ridge=ridge, nulls=["flipped"],
            draws=50, convention="consistent",
        )  # fmt: skip
        for matrix in ("A", "B"):
            test = result[matrix].significance["flipped"]
            assert test.of_mean.p == 1
            assert np.isnan(test.of_mean.z)
            assert np.nanmin(test.p) == 1
            assert not (test.p_max < 1).any()


def test_equal_singular_values_are_rotated(tmp_path: Path, rng: np.random.Generator) -> None:
    """W0 = I in every layer: any direction is as good, and a flip is any rotation, so that φ is that of unrelated lines."""
    d = 12
    factors = [(rng.standard_normal((d, 2)), rng.standard_normal((2, d))) for _ in range(3)]
    result = conversion_similarity(
        plant(tmp_path, [np.eye(d)] * 3, factors), "value", nulls=["flipped", "gaussian"],
        draws=2000,
    )  # fmt: skip
    null, unrelated = (result["B"].baselines[name] for name in ("flipped", "gaussian"))
    off = ~np.eye(3, dtype=bool)
    np.testing.assert_allclose(null.mean[off], unrelated.mean, atol=0.01)
    np.testing.assert_allclose(null.sd[off], unrelated.sd, rtol=0.1)


def test_the_right_side_has_none(tmp_path: Path, rng: np.random.Generator) -> None:
    """XᵀX is the same for all flips: p would be 1 whatever is shared."""
    w0 = [conditioned(6, 6, 10, rng) for _ in range(2)]
    factors = [(rng.standard_normal((6, 2)), rng.standard_normal((2, 6))) for _ in w0]
    result = conversion_similarity(
        plant(tmp_path, w0, factors), "value", 1, side="right", nulls=["flipped"], draws=9
    )
    for grid in result.values():
        assert grid.baselines == {}
        assert "right singular vectors" in grid.absent["flipped"]


def test_what_is_asked_beside_it_changes_nothing(tmp_path: Path, rng: np.random.Generator) -> None:
    w0 = [conditioned(6, 6, 10, rng) for _ in range(2)]
    factors = [(rng.standard_normal((6, 2)), rng.standard_normal((2, 6))) for _ in w0]
    adapter = plant(tmp_path, w0, factors)
    ask = partial(conversion_similarity, adapter, "value", nulls=["flipped"], draws=9)
    every = ask()
    for matrix in ("A", "B", "BA"):
        alone = ask(matrices=[matrix])[matrix].baselines["flipped"]
        np.testing.assert_array_equal(alone.drawn, every[matrix].baselines["flipped"].drawn)


def test_equal_singular_values_have_directions_of_their_span_alone(
    rng: np.random.Generator,
) -> None:
    """LAPACK gives those of 3·W0 another turn."""
    u, v = (np.linalg.qr(rng.standard_normal((30, 30)))[0] for _ in range(2))
    s = np.concatenate([np.full(12, 3.0), np.linspace(2, 1, 10), np.full(8, 0.5)])
    w = torch.from_numpy(u * s @ v.T)
    one, other = directions(w), directions(3 * w)
    assert one.clusters == (slice(0, 12), slice(22, 30))
    for cluster in one.clusters:
        np.testing.assert_allclose(one.u[:, cluster], other.u[:, cluster], atol=1e-12)
        np.testing.assert_allclose(one.v[:, cluster], other.v[:, cluster], atol=1e-12)
    np.testing.assert_allclose(one.u * one.s @ one.v.mT, w, atol=1e-12)


def test_words(tmp_path: Path, rng: np.random.Generator) -> None:
    """What flips say stands in the sentence; without a ridge so does what they miss."""
    w0 = [conditioned(16, 16, 10, rng) for _ in range(3)]
    theta, a = rng.standard_normal((16, 2)), np.eye(16)[:2]
    adapter = plant(tmp_path, w0, [(w @ theta, a) for w in w0])
    for ridge in (0, 3):
        result = conversion_similarity(
            adapter, "value", ridge=ridge, matrices="B", nulls=["flipped"], draws=19
        )
        said = QUESTION.summary(result, ())
        if not ridge:
            assert said.startswith(
                "value: φ between all layers is 1 for B, as one shared θ makes it"
            )
            continue
        test = result["B"].significance["flipped"].of_mean
        assert f"{test.mean:.3f} ± {test.sd:.3f} (p = 0.05)" in said
        assert "no test of sharing" not in said
    plain = conversion_similarity(
        plant(tmp_path / "own", w0, [(w @ rng.standard_normal((16, 2)), a) for w in w0]), "value",
        matrices="B", nulls=["flipped"], draws=19,
    )  # fmt: skip
    assert "without a ridge flips can miss" in QUESTION.summary(plain, ())
    u = [np.linalg.svd(w)[0][:, :2] for w in w0[:1] * 3]
    same = conversion_similarity(
        plant(tmp_path / "start", w0[:1] * 3, [(one, a) for one in u]), "value", matrices="B",
        nulls=["flipped"], draws=19,
    )  # fmt: skip
    assert "as it is of the same factors turned" in QUESTION.summary(same, ())
