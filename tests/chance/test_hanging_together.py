"""Layers of one θ: how far they are seen to hang together, and that flips of θ are what they are by chance."""

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


def test_flips_of_theta_are_the_factors_that_the_turned_theta_makes() -> None:
    w, theta = normal(3, 12, 9, seed=7), normal(9, 2, seed=8)
    held = [torch.linalg.qr(one).Q for one in normal(3, 12, 4, seed=9)]
    of = hang(w, w @ theta)
    assert of.axes is not None
    drawn = flips_of_theta(of, zip(w, held, strict=True), 7, torch.Generator().manual_seed(3))
    signs = torch.randint(0, 2, (7, 9, 1), generator=torch.Generator().manual_seed(3)) * 2 - 1
    for number, some in enumerate(signs):
        turned = of.axes @ (some * (of.axes.mT @ theta))
        expected = [
            float(predicted_share(one, predicted_basis(layer, turned)))
            for layer, one in zip(w, held, strict=True)
        ]
        np.testing.assert_allclose(drawn[number], expected, atol=1e-9)


def test_the_mean_over_layers_scatters_with_theta_as_flips_of_theta_do() -> None:
    """Of a fixed θ and 2,000 Gaussian θ′ the mean's deviation is that of flips of any one θ′; layers apart have half of it."""
    w = normal(6, 40, 40, seed=10) + normal(40, 40, seed=11)
    held = [predicted_basis(one, normal(40, 2, seed=12)) for one in w]
    means = []
    for seed in range(2000):
        turned = w @ normal(40, 2, seed=100 + seed)
        shares = [
            predicted_share(p, torch.linalg.qr(q).Q) for p, q in zip(held, turned, strict=True)
        ]
        means.append(float(torch.stack(shares).mean()))
    of = hang(w, w @ normal(40, 2, seed=13))
    drawn = flips_of_theta(of, zip(w, held, strict=True), 2000, torch.Generator().manual_seed(0))
    apart = float((drawn.std(0).square().sum()).sqrt()) / len(w)
    assert drawn.mean(1).std() == pytest.approx(np.std(means), rel=0.25)
    assert np.std(means) > 1.5 * apart
