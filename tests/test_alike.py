"""What `benchmarks/alike.py` asks, on weights whose answer is known."""

import pytest
import torch
from test_pages_of_benchmarks import benchmark

from lora_lens.core.similarity.phi import phi

places = benchmark("alike_places")
LAYERS, D, RANK = 4, 48, 8


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture(scope="module")
def direction() -> torch.Tensor:
    return torch.linalg.qr(normal(D, 1, seed=1)).Q


@pytest.fixture(scope="module")
def small(direction: torch.Tensor):
    """Gaussian W of every layer, but for one direction that all have at a twentieth."""
    w = normal(LAYERS, D, D)
    w = w - 0.95 * (w @ direction) @ direction.mT
    return places.place(w, 60, torch.Generator().manual_seed(2))


def test_conversions_are_those_of_a_solve(small) -> None:
    """V·S⁻¹·G has the distribution of W⁻¹·G: the same excess, up to what draws scatter."""
    solved = torch.linalg.solve(small.w, normal(LAYERS, D, 60 * RANK, seed=3))
    assert places.excess(small.x) == pytest.approx(places.excess(solved), rel=0.1)


def test_excess_is_mean_phi_over_chance(small) -> None:
    """Every draw of one layer with every draw of another, by a loop."""
    x = small.x[:3, :, : 2 * RANK]
    bases = x.reshape(3, D, 2, RANK).transpose(1, 2)
    values = [
        float(phi(one, other, RANK))
        for l in range(3)
        for m in range(3)
        if l != m
        for one in bases[l]
        for other in bases[m]
    ]
    assert places.excess(x) == pytest.approx(sum(values) / len(values) - RANK / D, abs=1e-5)


def test_a_direction_that_all_layers_have_small_explains_the_excess(small, direction) -> None:
    before = places.excess(small.x)
    assert before > 0.05
    q = direction.expand(LAYERS, -1, -1)
    found = places.explained(small, q, torch.Generator().manual_seed(4))
    assert found["norm"] < 0.1
    assert found["excess"] < 0.1 * before
    random = torch.linalg.qr(normal(LAYERS, D, 1, seed=5)).Q
    assert places.explained(small, random, torch.Generator())["excess"] > 0.9 * before


def test_flips_are_as_small_and_no_direction_in_common(small) -> None:
    q = torch.linalg.qr(normal(D, 2, seed=10)).Q.expand(LAYERS, -1, -1)
    turned = places.flipped(small.v, q, torch.Generator().manual_seed(11))
    torch.testing.assert_close((small.w @ turned).norm(dim=1), (small.w @ q).norm(dim=1))
    assert float((turned[0].mT @ turned[1]).norm()) < 0.7
    assert float((turned[0].mT @ q[0]).norm()) < 0.7


def test_directions_of_each_layer_alone_make_none_alike() -> None:
    own = torch.linalg.qr(normal(LAYERS, D, 1, seed=12)).Q
    w = normal(LAYERS, D, D)
    at = places.place(w - 0.95 * (w @ own) @ own.mT, 60, torch.Generator().manual_seed(2))
    assert abs(places.excess(at.x)) < 0.02


def test_along_is_what_a_solve_gives(small) -> None:
    """Scaled W written out: its singular values on the span are the median, and so is what is solved."""
    q = torch.linalg.qr(normal(LAYERS, D, 3, seed=6)).Q
    moved = places.along(small.w, small.median, small.x, q)
    for w, median, before, after, basis in zip(
        small.w, small.median, small.x, moved, q, strict=True
    ):
        u, _, vh = torch.linalg.svd(w @ basis, full_matrices=False)
        scaled = w - w @ basis @ basis.mT + median * u @ vh @ basis.mT
        torch.testing.assert_close(after, torch.linalg.solve(scaled, w @ before))


def test_columns_are_a_basis_and_the_partition_is_whole(small) -> None:
    relative = small.w.norm(dim=1) / small.median[:, None]
    columns = small.columns_at_median(relative, range(D))
    eye = torch.eye(D, dtype=torch.float64)
    torch.testing.assert_close(places.in_basis(small, eye).w, columns.w)
    torch.testing.assert_close(places.in_basis(small, eye).x, columns.x)
    parts = places.partition(small, (3,))
    assert sum(parts.values()) == pytest.approx(places.excess(small.x), abs=1e-6)
    assert parts["named"] < 0.2 * sum(parts.values())


def test_the_other_half_of_the_layers_knows_the_direction(small) -> None:
    found = places.by_halves(small, torch.Generator().manual_seed(7))
    assert found["excess"][0] < 0.3 * found["before"]
    assert found["whole"] < 0.3 * found["before"]


def test_a_gaussian_place_has_nothing_to_explain() -> None:
    at = places.place(normal(LAYERS, D, D, seed=8), 60, torch.Generator().manual_seed(9))
    assert abs(places.excess(at.x)) < places.LEAST * RANK / D
