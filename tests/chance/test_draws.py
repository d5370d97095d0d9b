import itertools
import math

import numpy as np
import pytest
import torch
from scipy.stats import binomtest, kstest

from lora_lens.chance.draws import (
    gaussian_factors,
    initial_factors,
    mismatched_cells,
    mismatched_grids,
    mismatched_layers,
    null_grids,
    shuffles,
)
from lora_lens.core.factors.bases import orthonormal_basis


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def bases(*shape: int, seed: int = 2) -> torch.Tensor:
    x = torch.randn(*shape, dtype=torch.float64, generator=seeded(seed))
    return orthonormal_basis(x, shape[-1])


def phi(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a.T @ b).square().sum() / min(a.shape[1], b.shape[1]))


@pytest.mark.parametrize("entries", [1 << 22, 1])
def test_grids_compare_layers_within_a_draw_and_a_layer_with_its_next_draw(
    monkeypatch: pytest.MonkeyPatch, entries: int
) -> None:
    monkeypatch.setattr("lora_lens.chance.draws.ENTRIES", entries)
    u = bases(5, 3, 20, 2)
    expected = np.array(
        [
            [
                [
                    phi(u[t, l], u[t, m]) if l != m else phi(u[t, l], u[(t + 1) % 5, l])
                    for m in range(3)
                ]
                for l in range(3)
            ]
            for t in range(5)
        ]
    )
    np.testing.assert_allclose(null_grids(u, u), expected, atol=1e-12)


@pytest.mark.parametrize(("i", "j"), [(3, 3), (2, 3), (3, 1)])
def test_mismatched_cells_equal_a_loop_over_the_donors(i: int, j: int) -> None:
    layers = 4
    u = bases(layers, layers, 15, 3)
    found = mismatched_cells(u, i, j)
    assert len(found) == layers**2 - layers - 1
    for l, m in itertools.permutations(range(layers), 2):
        expected = [
            phi(u[l, p][:, :i], u[m, q][:, :j])
            for p in range(layers)
            for q in range(layers)
            if p != q and (p, q) != (l, m)
        ]
        np.testing.assert_allclose(np.sort(found[:, l, m]), np.sort(expected), atol=1e-12)
    assert bool(found.diagonal(dim1=1, dim2=2).isnan().all())


@pytest.mark.parametrize("entries", [1 << 22, 1])
@pytest.mark.parametrize(("i", "j"), [(3, 3), (1, 3)])
def test_mismatched_grids_equal_a_loop_over_the_orders(
    monkeypatch: pytest.MonkeyPatch, i: int, j: int, entries: int
) -> None:
    monkeypatch.setattr("lora_lens.chance.draws.ENTRIES", entries)
    u = bases(4, 4, 15, 3)
    orders = shuffles(4, draws=50, generator=seeded(1))
    found = mismatched_grids(u, i, j, orders)
    for grid, order in zip(found, orders.tolist(), strict=True):
        for l, m in itertools.product(range(4), repeat=2):
            if l == m:
                assert math.isnan(float(grid[l, m]))
            else:
                one, other = u[l, order[l]][:, :i], u[m, order[m]][:, :j]
                assert float(grid[l, m]) == pytest.approx(phi(one, other), abs=1e-12)


def test_mismatched_layers_equal_a_loop_over_the_orders() -> None:
    phi = torch.rand(4, 4, dtype=torch.float64, generator=seeded(1))
    orders = shuffles(4, draws=50, generator=seeded(1))
    drawn, others = mismatched_layers(phi, orders)
    for found, order in zip(drawn.tolist(), orders.tolist(), strict=True):
        assert found == [float(phi[l, m]) for l, m in enumerate(order)]
    for l in range(4):
        assert others[:, l].tolist() == [float(phi[l, m]) for m in range(4) if m != l]


@pytest.mark.parametrize(("layers", "count"), [(2, 1), (3, 5), (4, 23), (5, 119)])
def test_all_orders_of_few_layers_but_their_own(layers: int, count: int) -> None:
    orders = shuffles(layers, draws=200, generator=seeded(0)).tolist()
    assert len({tuple(order) for order in orders}) == len(orders) == count
    assert list(range(layers)) not in orders


@pytest.mark.parametrize("layers", [6, 12])
def test_orders_of_many_layers_are_drawn_evenly(layers: int) -> None:
    orders = shuffles(layers, draws=200 if layers == 6 else 4000, generator=seeded(3))
    assert orders.shape == (200 if layers == 6 else 4000, layers)
    assert torch.equal(orders.sort(-1).values, torch.arange(layers).expand_as(orders))
    if layers == 6:
        assert len(orders.unique(dim=0)) == 200
        assert bool((orders != torch.arange(layers)).any(1).all())
    if layers == 12:  # each layer, itself too, is as often the donor of the first
        counts = torch.bincount(orders[:, 0], minlength=layers).numpy()
        expected = 4000 / layers
        assert (
            (counts - expected) ** 2 / expected
        ).sum() < 31.3  # chi-squared, 11 degrees: p = 0.001


def test_shuffled_factors_hold_the_level_of_a_test() -> None:
    """1000 untrained adapters of five layers; orders that leave no layer its own reject 8 % at 5 %."""
    layers, adapters = 5, 1000
    orders = shuffles(layers, draws=200, generator=seeded(0))
    off = ~torch.eye(layers, dtype=torch.bool)
    w = torch.randn(layers, 1, 12, 12, dtype=torch.float64, generator=seeded(1))
    w = torch.logspace(0, -1, 12, dtype=torch.float64)[:, None] * w  # layers share directions
    reached, apart = [], []
    for seed in range(adapters):
        factors = torch.randn(layers, 12, 2, dtype=torch.float64, generator=seeded(10 + seed))
        u = torch.linalg.qr(w @ factors).Q
        own = mismatched_grids(u, 2, 2, torch.arange(layers)[None])[0, off].mean()
        means = mismatched_grids(u, 2, 2, orders)[:, off].mean(-1)
        for place, kept in (
            (reached, slice(None)),
            (apart, (orders != torch.arange(layers)).all(1)),
        ):
            found = means[kept]
            place.append((int((found >= own - 1e-9).sum()) + 1) / (len(found) + 1))
    rates = [sum(p <= 0.05 for p in some) for some in (reached, apart)]
    assert binomtest(rates[0], adapters, 0.05).pvalue > 0.01
    assert binomtest(rates[1], adapters, 0.05).pvalue < 1e-3


def test_initial_factors_are_uniform_as_pefts() -> None:
    a = initial_factors(20, 8, 50, seeded(1))
    assert a.shape == (20, 8, 50)
    assert kstest(a.flatten().numpy() * math.sqrt(50), "uniform", (-1, 2)).pvalue > 0.01
    linear = torch.nn.Linear(50, 8, bias=False)
    torch.nn.init.kaiming_uniform_(linear.weight, a=math.sqrt(5))
    assert float(linear.weight.detach().abs().max()) <= 1 / math.sqrt(50)
    assert float(linear.weight.detach().abs().max()) > 0.95 / math.sqrt(50)


def test_gaussian_factors_are_standard() -> None:
    g = gaussian_factors(20, 8, 50, seeded(1))
    assert kstest(g.flatten().numpy(), "norm").pvalue > 0.01
