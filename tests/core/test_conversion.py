import numpy as np
import pytest
import torch
from slow_routes import conditioned, slow_conversions

from lora_lens import conversion_matrices
from lora_lens.core.conversion import (
    condition_number,
    convert,
    factor,
    singular_cutoff,
)
from lora_lens.core.lanczos import largest_singular_value
from lora_lens.errors import SingularError

F64 = singular_cutoff(torch.float64, torch.float64, (30, 30))


def batch(rows: int, columns: int, conditions: tuple[float, ...]) -> np.ndarray:
    rng = np.random.default_rng(1)
    return np.stack([conditioned(rows, columns, condition, rng) for condition in conditions])


SQUARE, OTHER = [(30, 30), (1, 1)], [(40, 30), (30, 40), (2, 5)]


@pytest.mark.parametrize(
    ("rows", "columns", "convention"),
    [(*shape, "stored") for shape in SQUARE] + [(*shape, "consistent") for shape in SQUARE + OTHER],
)
def test_equals_the_pseudo_inverse(rows: int, columns: int, convention: str) -> None:
    w0 = batch(rows, columns, (1e1, 1e3, 1e5))
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


@pytest.mark.parametrize(("rows", "columns"), [(30, 30), (40, 30), (30, 40), (3, 3), (1, 4)])
def test_condition_numbers_equal_numpy(rows: int, columns: int) -> None:
    w0 = batch(rows, columns, (1.0, 1e2, 1e6))
    got = condition_number(torch.from_numpy(w0), F64)
    np.testing.assert_allclose(got, np.linalg.cond(w0), rtol=1e-7)


def test_condition_number_of_a_plain_gaussian_whose_top_is_crowded() -> None:
    w0 = np.random.default_rng(3).standard_normal((4, 200, 200))
    got = condition_number(torch.from_numpy(w0), F64)
    np.testing.assert_allclose(got, np.linalg.cond(w0), rtol=1e-9)


def test_lanczos_finds_a_degenerate_norm() -> None:
    m = torch.eye(9, dtype=torch.float64)[None] * 3
    value = largest_singular_value(lambda v: m @ v, lambda v: m.mT @ v, m)
    assert value.item() == pytest.approx(3, rel=1e-12)


@pytest.mark.parametrize(("rows", "columns"), [(30, 30), (40, 30), (30, 40)])
def test_rank_deficient_takes_the_moore_penrose_solution(rows: int, columns: int) -> None:
    rng = np.random.default_rng(4)
    low = rng.standard_normal((rows, 20)) @ rng.standard_normal((20, columns))
    w0 = np.stack([low, conditioned(rows, columns, 100, rng)])
    factored = factor(torch.from_numpy(w0), 1e-10)
    assert factored.rank.tolist() == [20, min(rows, columns)]
    numbers = condition_number(torch.from_numpy(w0), 1e-10)
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


def test_float32_product_of_low_rank_is_singular_at_float32_resolution() -> None:
    g = torch.Generator().manual_seed(6)
    w0 = torch.randn(96, 40, generator=g) @ torch.randn(40, 96, generator=g)
    cutoff = singular_cutoff(w0.dtype, torch.float64, (96, 96))
    assert factor(w0.double()[None], cutoff).rank.item() < 60


@pytest.mark.parametrize("convention", ["stored", "consistent"])
def test_public_function_takes_batches_of_float32(convention: str) -> None:
    rng = np.random.default_rng(7)
    w0, a, b = (
        rng.standard_normal(shape).astype(np.float32)
        for shape in ((2, 3, 9, 9), (2, 3, 4, 9), (2, 3, 9, 4))
    )
    got = conversion_matrices(*map(torch.from_numpy, (w0, a, b)), convention=convention)
    assert got.condition_number.shape == (2, 3)
    expected = slow_conversions(*(x[1, 2].astype(float) for x in (w0, a, b)), convention)
    np.testing.assert_allclose(got.a[1, 2], expected["A"], rtol=1e-9)
    np.testing.assert_allclose(got.b[1, 2], expected["B"], rtol=1e-9)


def test_public_function_refuses_a_rectangle_under_stored() -> None:
    with pytest.raises(SingularError, match="consistent"):
        conversion_matrices(torch.ones(3, 4), torch.ones(1, 4), torch.ones(3, 1))


def test_condition_numbers_where_the_krylov_space_is_soon_exhausted() -> None:
    few = np.stack([np.eye(40), np.diag([1.0] * 39 + [1e-3]), np.diag([2.0] * 20 + [1.0] * 20)])
    got = condition_number(torch.from_numpy(few), F64)
    np.testing.assert_allclose(got, [1, 1e3, 2], rtol=1e-9)
    big = condition_number(torch.eye(384, dtype=torch.float64)[None], F64)
    assert big.item() == pytest.approx(1, rel=1e-9)


def test_cutoff_is_that_of_the_shorter_of_storage_and_computation() -> None:
    eps32 = float(np.finfo(np.float32).eps)
    assert singular_cutoff(torch.float64, torch.float64, (30, 40)) == 40 * np.finfo(np.float64).eps
    for stored, computing in ((torch.float64, torch.float32), (torch.bfloat16, torch.float64)):
        assert singular_cutoff(stored, computing, (30, 40)) == eps32
