import numpy as np
import pytest
import torch
from slow_routes import conditioned, conditioned_batch

from lora_lens.core.conversions.conversion import convert
from lora_lens.core.numbers.precision import singular_cutoff
from lora_lens.core.solving.condition import condition_number
from lora_lens.core.solving.factoring import factor

F64 = singular_cutoff(torch.float64, torch.float64, (30, 30))
SQUARE, OTHER = [(30, 30), (1, 1)], [(40, 30), (30, 40), (2, 5)]


@pytest.mark.parametrize(
    ("rows", "columns", "convention"),
    [(*shape, "stored") for shape in SQUARE] + [(*shape, "consistent") for shape in SQUARE + OTHER],
)
def test_equals_the_pseudo_inverse(rows: int, columns: int, convention: str) -> None:
    w0 = conditioned_batch(rows, columns, (1e1, 1e3, 1e5))
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal((3, 4, columns)), rng.standard_normal((3, rows, 4))
    solver = factor(torch.from_numpy(w0), F64).solver
    inverse = np.linalg.pinv(w0)
    expected_a = (inverse if convention == "stored" else inverse.transpose(0, 2, 1)) @ a.transpose(
        0, 2, 1
    )
    got = convert(solver, torch.from_numpy(a), torch.from_numpy(b), convention)
    for found, expected in zip(got, (expected_a, inverse @ b), strict=True):
        error = np.abs(found.numpy() - expected).max(axis=(1, 2)) / np.abs(expected).max(
            axis=(1, 2)
        )
        assert (error < 1e-12 * np.array([1e1, 1e3, 1e5])).all()


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_the_inverse_norm_is_found_from_below(size: float) -> None:
    w0 = size * conditioned_batch(30, 30, (1e1, 1e3, 1e5))
    found = factor(torch.from_numpy(w0), F64).inverse_norm.numpy()
    norms = np.linalg.norm(np.linalg.inv(w0), 2, (1, 2))
    assert (found <= norms * (1 + 1e-9)).all()
    assert (found > 0.5 * norms).all()


@pytest.mark.parametrize(("rows", "columns"), [(30, 30), (40, 30), (30, 40)])
def test_rank_deficient_takes_the_moore_penrose_solution(rows: int, columns: int) -> None:
    rng = np.random.default_rng(4)
    low = rng.standard_normal((rows, 20)) @ rng.standard_normal((20, columns))
    w0 = np.stack([low, conditioned(rows, columns, 100, rng)])
    factored = factor(torch.from_numpy(w0), 1e-10)
    assert factored.rank.tolist() == [20, min(rows, columns)]
    numbers = condition_number(factor(torch.from_numpy(w0), 1e-10))
    assert torch.isinf(numbers[0])
    assert numbers[1] == pytest.approx(100, rel=1e-6)
    b, a = rng.standard_normal((2, rows, 3)), rng.standard_normal((2, columns, 3))
    inverse = np.linalg.pinv(w0, rcond=1e-10)
    np.testing.assert_allclose(factored.solver.solve(torch.from_numpy(b)), inverse @ b, atol=1e-9)
    np.testing.assert_allclose(
        factored.solver.solve_transposed(torch.from_numpy(a)),
        inverse.transpose(0, 2, 1) @ a,
        atol=1e-9,
    )


@pytest.mark.parametrize("broken", ["zero row", "equal rows", "zero"])
def test_exactly_singular_is_seen(broken: str) -> None:
    w0 = torch.randn(1, 12, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    w0[0, 3] = 0 if broken != "equal rows" else w0[0, 4]
    if broken == "zero":
        w0.zero_()
    factored = factor(w0, 1e-7)
    assert factored.rank.item() == (0 if broken == "zero" else 11)


@pytest.mark.parametrize(("rows", "columns"), [(60, 60), (80, 60), (60, 80)])
@pytest.mark.parametrize("condition", [1e5, 1e6, 3e6, 3e7, 1e9])
def test_the_screen_lets_no_singular_w0_through(rows: int, columns: int, condition: float) -> None:
    """Either side of the cut-off 1e-7, with one small singular value hidden among large ones."""
    rng = np.random.default_rng(8)
    u, _, vh = np.linalg.svd(rng.standard_normal((20, rows, columns)), full_matrices=False)
    s = np.ones(60)
    s[-1] = 1 / condition
    factored = factor(torch.from_numpy((u * s) @ vh), 1e-7)
    assert factored.rank.tolist() == [60 if condition < 1e7 else 59] * 20


@pytest.mark.parametrize(("rows", "columns"), [(60, 60), (80, 60), (60, 80)])
@pytest.mark.parametrize(("condition", "decomposed"), [(1e3, False), (3e6, False), (8e6, True)])
def test_a_doubt_alone_takes_an_svd(
    rows: int, columns: int, condition: float, decomposed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A condition number far above the screen's own limit, 1e5, and far enough below the cut-off's."""
    taken = []
    whole = torch.linalg.svd

    def watched(w0: torch.Tensor, *, full_matrices: bool) -> object:
        taken.append(w0)
        return whole(w0, full_matrices=full_matrices)

    monkeypatch.setattr(torch.linalg, "svd", watched)
    rng = np.random.default_rng(8)
    u, _, vh = np.linalg.svd(rng.standard_normal((3, rows, columns)), full_matrices=False)
    s = np.linspace(1, 1 / condition, 60)
    s[-1] = 1 / condition
    assert factor(torch.from_numpy((u * s) @ vh), 1e-7).rank.tolist() == [60] * 3
    assert bool(taken) is decomposed


@pytest.mark.parametrize("tiny", [1, 3, 30])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("shape", ["flat", "graded", "crowded"])
def test_a_cluster_below_the_cutoff_is_never_full_rank(tiny: int, seed: int, shape: str) -> None:
    """Just below it and just above, where the condition number is what decides."""
    rng, n, cutoff = np.random.default_rng(seed), 120, 1e-7
    u, _, vh = np.linalg.svd(rng.standard_normal((2, n, n)), full_matrices=False)
    bulk = np.linspace(1, 0.5, n - tiny)
    if shape == "graded":
        bulk = np.geomspace(1, 1e-5, n - tiny)
    if shape == "crowded":
        bulk = np.r_[1.05, np.linspace(1, 0.9, n - tiny - 1)]
    ends = cutoff * bulk[0] * np.array([[0.97], [1.03]]) * np.linspace(1, [0.9, 1.1], tiny).T
    s = np.c_[np.tile(bulk, (2, 1)), ends]
    ranks = [
        factor(torch.from_numpy((u[k] * s[k]) @ vh[k])[None], cutoff).rank.item() for k in (0, 1)
    ]
    assert ranks == [n - tiny, n]


@pytest.mark.parametrize(("rows", "columns"), [(600, 600), (610, 600), (600, 610)])
@pytest.mark.parametrize("shrunk", [1e-9, 1e-20, 1e-38])
def test_a_dead_direction_is_seen_in_float32(rows: int, columns: int, shrunk: float) -> None:
    """Though rounding there passes for a singular value, and what W0⁻¹ makes of a vector has an infinite norm."""
    w0 = torch.randn(rows, columns, generator=torch.Generator().manual_seed(6))
    (w0 if rows >= columns else w0.mT)[:, 3] *= shrunk
    cutoff = singular_cutoff(w0.dtype, torch.float32, (rows, columns))
    factored = factor(w0[None], cutoff)
    assert (factored.rank.item(), factored.inverse_norm.dtype) == (599, torch.float32)


def test_float32_product_of_low_rank_is_singular_at_float32_resolution() -> None:
    g = torch.Generator().manual_seed(6)
    w0 = torch.randn(96, 40, generator=g) @ torch.randn(40, 96, generator=g)
    cutoff = singular_cutoff(w0.dtype, torch.float64, (96, 96))
    assert factor(w0.double()[None], cutoff).rank.item() < 60
