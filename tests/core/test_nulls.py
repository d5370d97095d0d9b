import itertools
import math

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from lora_lens.core.nulls import (
    derangements,
    gaussian_factors,
    initial_factors,
    mismatched_cells,
    mismatched_grids,
    null_grids,
)
from lora_lens.core.subspace import orthonormal_basis


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def bases(*shape: int, seed: int = 2) -> torch.Tensor:
    x = torch.randn(*shape, dtype=torch.float64, generator=seeded(seed))
    return orthonormal_basis(x, shape[-1])


def phi(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a.T @ b).square().sum() / min(a.shape[1], b.shape[1]))


@pytest.mark.parametrize("entries", [1 << 24, 1])
def test_grids_compare_layers_within_a_draw_and_a_layer_with_its_next_draw(
    monkeypatch: pytest.MonkeyPatch, entries: int
) -> None:
    monkeypatch.setattr("lora_lens.core.nulls._ENTRIES", entries)
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
    assert len(found) == layers**2 - 3 * layers + 3
    for l, m in itertools.permutations(range(layers), 2):
        expected = [
            phi(u[l, p][:, :i], u[m, q][:, :j])
            for p in range(layers)
            for q in range(layers)
            if p not in (l, q) and q != m
        ]
        np.testing.assert_allclose(np.sort(found[:, l, m]), np.sort(expected), atol=1e-12)
    assert bool(found.diagonal(dim1=1, dim2=2).isnan().all())


@pytest.mark.parametrize("entries", [1 << 24, 1])
@pytest.mark.parametrize(("i", "j"), [(3, 3), (1, 3)])
def test_mismatched_grids_equal_a_loop_over_the_orders(
    monkeypatch: pytest.MonkeyPatch, i: int, j: int, entries: int
) -> None:
    monkeypatch.setattr("lora_lens.core.nulls._ENTRIES", entries)
    u = bases(4, 4, 15, 3)
    orders = derangements(4, draws=50, generator=seeded(1))
    found = mismatched_grids(u, i, j, orders)
    for grid, order in zip(found, orders.tolist(), strict=True):
        for l, m in itertools.product(range(4), repeat=2):
            if l == m:
                assert math.isnan(float(grid[l, m]))
            else:
                one, other = u[l, order[l]][:, :i], u[m, order[m]][:, :j]
                assert float(grid[l, m]) == pytest.approx(phi(one, other), abs=1e-12)


@pytest.mark.parametrize(("layers", "count"), [(2, 1), (3, 2), (4, 9), (5, 44)])
def test_all_derangements_of_few_layers(layers: int, count: int) -> None:
    orders = derangements(layers, draws=200, generator=seeded(0)).tolist()
    assert len({tuple(order) for order in orders}) == len(orders) == count
    assert all(place != donor for order in orders for place, donor in enumerate(order))


@pytest.mark.parametrize("layers", [6, 12])
def test_derangements_of_many_layers_are_drawn_evenly(layers: int) -> None:
    orders = derangements(layers, draws=200 if layers == 6 else 4000, generator=seeded(3))
    assert orders.shape == (200 if layers == 6 else 4000, layers)
    assert torch.equal(orders.sort(-1).values, torch.arange(layers).expand_as(orders))
    assert bool((orders != torch.arange(layers)).all())
    if layers == 12:  # each other layer is as often the donor of the first
        counts = torch.bincount(orders[:, 0], minlength=layers)[1:].numpy()
        expected = 4000 / (layers - 1)
        assert (
            (counts - expected) ** 2 / expected
        ).sum() < 29.6  # chi-squared, 10 degrees: p = 0.001


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
