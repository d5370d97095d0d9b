"""Layers of one θ: how far they are seen to hang together, and that flips of θ are what they are by chance."""

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from lora_lens.chance.flips import directions
from lora_lens.chance.hanging_together import (
    LEAST,
    HangTogether,
    PulledBack,
    flips_of_theta,
    independent,
    over_flips,
)
from lora_lens.core.shared.shared_layer import predicted_basis, predicted_share


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def hang(w: Tensor, factors: Tensor) -> HangTogether:
    pulled = PulledBack()
    for one, factor in zip(w, factors, strict=True):
        pulled.add(directions(one), [torch.linalg.qr(factor).Q])
    return pulled.hang_together()[0]


@pytest.mark.parametrize(("out", "wide"), [(60, 60), (40, 90), (90, 40)])
def test_one_theta_is_seen_and_layers_of_their_own_are_not(out: int, wide: int) -> None:
    w = normal(6, out, wide, seed=0)
    theta, own = normal(wide, 3, seed=1), normal(6, wide, 3, seed=2)
    made = hang(w, w @ theta)
    assert made.energy > 0.8
    assert made.theta is not None
    # It is θ but for its gauge.
    for one in w:
        same = predicted_basis(one, made.theta).mT @ predicted_basis(one, theta)
        np.testing.assert_allclose(torch.linalg.svdvals(same), np.ones(3), atol=1e-9)
    for unlike in (normal(6, out, 3, seed=3), w @ own):
        found = hang(w, unlike)
        assert found.theta is None
        assert found.energy < LEAST
    half = hang(w, w @ theta / (w @ theta).norm() + (w @ own) / (w @ own).norm())
    assert half.theta is None
    assert LEAST < half.energy < made.energy


def test_neither_scale_nor_gauge_nor_a_layer_of_zeros_matters() -> None:
    w = normal(5, 40, 40, seed=4)
    factors = w @ normal(40, 2, seed=5)
    scaled = w * torch.tensor([1.0, 1e-3, 5.0, 1e4, 1.0])[:, None, None]
    turned = factors @ normal(5, 2, 2, seed=6)
    assert hang(scaled, turned).energy == pytest.approx(hang(w, factors).energy, abs=1e-9)
    assert hang(torch.zeros_like(w), factors).energy == 0
    assert hang(w[:1], factors[:1]).energy == 0


def test_two_adapters_count_as_independent_where_one_of_them_does() -> None:
    assert independent(1.0, 0.0)
    assert independent(LEAST, 0.9)
    assert not independent(1.0, LEAST)
    assert not independent(0.6, 0.6)


@pytest.mark.parametrize("shape", [(12, 9), (9, 12)])
def test_flips_of_theta_are_the_factors_that_the_turned_theta_makes(
    shape: tuple[int, int],
) -> None:
    """Each less its mean over all 2⁹ flips of its layer alone, which are drawn one by one here."""
    out, wide = shape
    w, theta = normal(3, out, wide, seed=7), normal(wide, 2, seed=8)
    held = [torch.linalg.qr(one).Q for one in normal(3, out, 4, seed=9)]
    axes = torch.linalg.qr(normal(wide, wide, seed=14)).Q
    of = HangTogether(1.0, theta=theta, axes=axes)
    layers = [(directions(one), p) for one, p in zip(w, held, strict=True)]
    drawn = flips_of_theta(of, layers, 5, torch.Generator().manual_seed(3))
    signs = torch.randint(0, 2, (5, wide, 1), generator=torch.Generator().manual_seed(3)) * 2 - 1
    alone = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=9)), dtype=torch.float64)
    for number, some in enumerate(signs):
        turned = axes @ (some * (axes.mT @ theta))
        for k, (layer, p) in enumerate(zip(w, held, strict=True)):
            q = predicted_basis(layer, turned)
            u = torch.linalg.svd(layer, full_matrices=False).U
            flips = u @ (alone[:, :, None] * (u.mT @ q))
            mean = float((p.mT @ flips).square().sum((1, 2)).mean()) / 2
            expected = float(predicted_share(p, q)) - mean
            assert float(drawn[number, k]) == pytest.approx(expected, abs=1e-9)


def test_where_no_direction_is_told_from_another_flips_alone_know_the_size() -> None:
    """Of equal singular values the mean is that of rotations, ‖P‖²‖Q‖²/m."""
    w = directions(torch.eye(6, dtype=torch.float64))
    p, q = (torch.linalg.qr(normal(6, wide, seed=wide)).Q for wide in (2, 3))
    assert float(over_flips(w, p, q[None])) == pytest.approx(2 * 3 / 6)


def test_the_mean_over_layers_scatters_with_theta_as_flips_of_theta_do() -> None:
    """Of a fixed θ and 2,000 Gaussian θ′ the mean's deviation from where its layers lie is that of flips of any one θ′; layers apart have half of it."""
    w = normal(6, 40, 40, seed=10) + normal(40, 40, seed=11)
    held = [predicted_basis(one, normal(40, 2, seed=12)) for one in w]
    layers = [(directions(one), p) for one, p in zip(w, held, strict=True)]
    means = []
    for seed in range(2000):
        turned = torch.linalg.qr(w @ normal(40, 2, seed=100 + seed)).Q
        shares = [
            predicted_share(p, q) - over_flips(of, of.u.mT @ p, (of.u.mT @ q)[None])[0] / 2
            for (of, p), q in zip(layers, turned, strict=True)
        ]
        means.append(float(torch.stack(shares).mean()))
    of = hang(w, w @ normal(40, 2, seed=13))
    drawn = flips_of_theta(of, layers, 2000, torch.Generator().manual_seed(0))
    assert abs(np.mean(means)) < 4 * np.std(means) / 2000**0.5
    apart = float((drawn.std(0).square().sum()).sqrt()) / len(w)
    assert drawn.mean(1).std() == pytest.approx(np.std(means), rel=0.25)
    assert np.std(means) > 1.5 * apart
