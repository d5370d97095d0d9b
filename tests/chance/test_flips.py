"""The sign-flip null: what it keeps, its closed moments, and W whose singular values are equal."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch.utils._python_dispatch import TorchDispatchMode

from lora_lens.chance.flips import (
    _ENTRIES,
    OwnDirections,
    directions,
    own_directions,
    single_flips,
    single_moments,
)
from lora_lens.chance.gaussian_moments import gaussian_baseline
from lora_lens.chance.p_values import monte_carlo_p

SHAPES = [(24, 24), (16, 40), (40, 16)]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def orthonormal(*shape: int, seed: int) -> torch.Tensor:
    return torch.linalg.qr(normal(*shape, seed=seed)).Q


def flipped(own: OwnDirections, draws: int, stream: torch.Generator) -> torch.Tensor:
    return own.outside + own.of.u @ own.turned(draws, stream)


@pytest.mark.parametrize(("out", "wide"), SHAPES)
def test_a_flip_keeps_where_the_factor_lies(out: int, wide: int) -> None:
    w, q = normal(out, wide, seed=1), orthonormal(out, 4, seed=2)
    own = own_directions(directions(w), q)
    assert not own.of.clusters
    u = torch.linalg.svd(w, full_matrices=False).U
    for turned in flipped(own, 5, generator()):
        torch.testing.assert_close(turned.mT @ turned, torch.eye(4, dtype=torch.float64))
        torch.testing.assert_close((u.mT @ turned).square().sum(-1), (u.mT @ q).square().sum(-1))
        outside = q - u @ (u.mT @ q)
        torch.testing.assert_close(turned - u @ (u.mT @ turned), outside, atol=1e-12, rtol=0)
        assert not torch.allclose(turned, q)


@pytest.mark.parametrize(("out", "wide"), SHAPES)
def test_rows_of_flips_are_those_of_w_at_unit_norm(out: int, wide: int) -> None:
    w = 3 * normal(out, wide, seed=16)
    for one in (w, w.mT):
        of = directions(w) if one is w else directions(w).transposed
        own = own_directions(of, orthonormal(len(one), 4, seed=17))
        rows = own.turned_rows(5, generator(18))
        expected = flipped(own, 5, generator(18)).mT @ (one / one.norm())
        torch.testing.assert_close(rows, expected, atol=1e-12, rtol=0)
    none = own_directions(directions(0 * w), orthonormal(out, 4, seed=19))
    assert not none.turned_rows(2, generator()).any()


@pytest.mark.parametrize(("out", "wide"), SHAPES)
def test_closed_moments_are_those_of_the_flips(out: int, wide: int) -> None:
    w, q = normal(out, wide, seed=3), orthonormal(out, 4, seed=4)
    predicted = torch.linalg.qr(w @ normal(wide, 3, seed=5)).Q
    own = own_directions(directions(w), q)
    moments = single_moments(own, predicted, 4)
    assert moments is not None
    drawn = single_flips(own, predicted, 4, 40_000, generator(6)).numpy()
    by_hand = [(predicted.mT @ one).square().sum() / 4 for one in flipped(own, 2_000, generator(7))]
    error = moments.sd / np.sqrt(len(drawn))
    assert abs(drawn.mean() - moments.mean) < 4 * error
    assert drawn.std() == pytest.approx(moments.sd, rel=0.03)
    assert abs(np.mean(by_hand) - moments.mean) < 4 * moments.sd / np.sqrt(len(by_hand))


def test_equal_singular_values_turn_into_rotations() -> None:
    """An orthogonal W says nothing of where the factor lies, so that its null is the uniform one."""
    w, q = orthonormal(20, 20, seed=8), orthonormal(20, 4, seed=9)
    own = own_directions(directions(w), q)
    assert own.of.clusters == (slice(0, 20),)
    predicted = orthonormal(20, 4, seed=10)
    assert single_moments(own, predicted, 4) is None
    drawn = single_flips(own, predicted, 4, 4_000, generator(11)).numpy()
    mean, sd = gaussian_baseline(20, 4)
    assert abs(drawn.mean() - mean) < 4 * sd / np.sqrt(len(drawn))
    assert drawn.std() == pytest.approx(sd, rel=0.06)


def test_clusters_are_found_among_others() -> None:
    u, v = orthonormal(9, 9, seed=12), orthonormal(9, 9, seed=13)
    s = torch.tensor([9.0, 5.0, 5.0, 5.0, 4.0, 3.0, 1.0, 1.0, 0.0], dtype=torch.float64)
    own = own_directions(directions(u @ torch.diag(s) @ v), orthonormal(9, 2, seed=14))
    assert own.of.clusters == (slice(1, 4), slice(6, 8))
    turned = own.turned(3, generator(15))
    for cluster in own.of.clusters:
        gram = own.inside[cluster].mT @ own.inside[cluster]
        for one in turned:
            torch.testing.assert_close(one[cluster].mT @ one[cluster], gram)


def spectrum(kind: str) -> torch.Tensor:
    if kind == "orthogonal":
        return torch.ones(24, dtype=torch.float64)
    if kind == "repeated":
        return torch.tensor([4.0, 2.0, 1.0, 0.5], dtype=torch.float64).repeat_interleave(6)
    return torch.cat([torch.linspace(3, 1, 16), torch.zeros(8)]).double()


@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", ["orthogonal", "repeated", "low rank"])
def test_directions_that_rounding_chose_hold_the_level(kind: str, stored: torch.dtype) -> None:
    """Signs on any basis of a span are among its rotations: p is uniform over 400 factors ``Wθ``, half of them of W before it was rounded."""
    u, v = orthonormal(24, 24, seed=20), orthonormal(24, 24, seed=21)
    exact = u * spectrum(kind) @ v.mT
    rounded = exact.to(stored)
    of = directions(rounded)
    assert not of.clusters
    assert len(of.s) == (16 if kind == "low rank" and stored == torch.float32 else 24)
    predicted = torch.linalg.qr(exact @ normal(24, 3, seed=22)).Q
    p = []
    for number in range(400):
        w = exact if number % 2 else rounded.double()
        q = torch.linalg.qr(w @ normal(24, 4, seed=1000 + number)).Q
        drawn = single_flips(own_directions(of, q), predicted, 4, 199, generator(number)).numpy()
        p.append(monte_carlo_p(np.asarray((predicted.mT @ q).square().sum() / 4), drawn))
    assert stats.kstest(p, "uniform").pvalue > 0.001


class Largest(TorchDispatchMode):
    """How many numbers the largest tensor has that anything makes."""

    entries = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        for one in found if isinstance(found, (tuple, list)) else [found]:
            if isinstance(one, torch.Tensor):
                self.entries = max(self.entries, one.untyped_storage().nbytes() // one.itemsize)
        return found


def test_flips_take_memory_in_chunks() -> None:
    """Of high rank, as a factored ΔW has it: what all draws at once would take is never made."""
    q, predicted = orthonormal(96, 64, seed=16), orthonormal(96, 64, seed=17)
    for w in (normal(96, 96, seed=18), orthonormal(96, 96, seed=18)):
        own = own_directions(directions(w), q)
        with Largest() as made:
            single_flips(own, predicted, 64, 4_999, generator(19))
        assert made.entries <= _ENTRIES  # 4,999 draws of 64 × 64 would be 20 millions
