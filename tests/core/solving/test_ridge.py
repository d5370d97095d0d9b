"""Ridge solutions against their definition, and at both ends of λ."""

import numpy as np
import pytest
import torch
from slow_routes import conditioned, conditioned_batch, slow_ridge

from lora_lens.core.solving.condition import condition_number
from lora_lens.core.solving.factoring import Factored, factor
from lora_lens.core.solving.ridge import median, ridged
from lora_lens.core.solving.rounded import gaussian_solver, own_solver

CUTOFF = 1e-12
SHAPES = [(30, 30), (31, 31), (40, 30), (30, 40), (1, 1), (2, 5)]


def factored(w0: np.ndarray) -> Factored:
    return factor(torch.from_numpy(w0), CUTOFF)


def same_but_for_size(found: torch.Tensor, expected: np.ndarray, tolerance: float) -> None:
    """One positive number between the two, whatever the column."""
    size = float((found.numpy() * expected).sum() / (expected**2).sum())
    assert size > 0
    error = np.abs(found.numpy() / size - expected).max()
    assert error <= tolerance * np.abs(expected).max()


@pytest.mark.parametrize(("rows", "columns"), SHAPES)
@pytest.mark.parametrize(("ridge", "tolerance"), [(0.01, 1e-6), (1.0, 1e-9), (30.0, 1e-9)])
def test_equals_the_definition(rows: int, columns: int, ridge: float, tolerance: float) -> None:
    """(W0ᵀW0 + λ²I)⁻¹W0ᵀ rhs, dense, in float64; the transposed one with W0ᵀ for W0.

    The normal equations square what λ leaves of the condition number: 1e9 at the smallest.
    """
    w0, rng = conditioned_batch(rows, columns, (1e1, 1e3, 1e5)), np.random.default_rng(2)
    b, a = rng.standard_normal((3, rows, 4)), rng.standard_normal((3, columns, 4))
    made = ridged(factored(w0), ridge)
    for k, w in enumerate(w0):
        solver = own_solver(made, k).solver
        for turned, rhs, solve in ((w, b[k], solver.solve), (w.T, a[k], solver.solve_transposed)):
            found = solve(torch.from_numpy(rhs)[None])[0]
            same_but_for_size(found, slow_ridge(turned, rhs, ridge), tolerance)


@pytest.mark.parametrize(("rows", "columns"), SHAPES[:4])
def test_in_float32_it_is_as_near_as_that(rows: int, columns: int) -> None:
    w0, rng = conditioned_batch(rows, columns, (1e1, 1e5)), np.random.default_rng(2)
    b = rng.standard_normal((2, rows, 4))
    for k in range(2):
        solver, dtype = gaussian_solver(ridged(factored(w0), 1.0), k)
        assert dtype == torch.float32  # though W0's own condition would not allow it
        found = solver.solve(torch.from_numpy(b[k]).float()[None])[0].double()
        same_but_for_size(found, slow_ridge(w0[k], b[k], 1.0), 1e-5)


@pytest.mark.parametrize(("rows", "columns"), SHAPES[:4])
def test_no_ridge_is_the_pseudo_inverse_and_a_boundless_one_the_transpose(
    rows: int, columns: int
) -> None:
    rng = np.random.default_rng(4)
    low = rng.standard_normal((rows, 20)) @ rng.standard_normal((20, columns))
    b = rng.standard_normal((rows, 4))
    for w, tolerance in ((low, 1e-10), (conditioned(rows, columns, 100, rng), 1e-10)):
        for ridge, expected in (
            (1e-12, np.linalg.pinv(w) @ b),
            (1e-300, np.linalg.pinv(w) @ b),
            (1e12, w.T @ b),
            (1e300, w.T @ b),
        ):
            found = ridged(factored(w[None]), ridge).converting.solve(torch.from_numpy(b))[0]
            same_but_for_size(found, expected, tolerance)


def test_float32_takes_any_ridge() -> None:
    w, rng = conditioned(12, 12, 100, np.random.default_rng(0)), np.random.default_rng(1)
    b = rng.standard_normal((12, 3))
    made = factor(torch.from_numpy(w[None]).float(), 1e-7)
    found = ridged(made, 1e300).converting.solve(torch.from_numpy(b).float())[0].double()
    same_but_for_size(found, w.T @ b, 1e-5)


@pytest.mark.parametrize("ridge", [1e-3, 1.0, 1e3])
def test_the_norm_is_the_solvers_and_the_condition_number_stays_w0s(ridge: float) -> None:
    w0 = conditioned_batch(30, 30, (1e1, 1e3))
    own = factored(w0)
    made = ridged(own, ridge)
    eye = torch.eye(30, dtype=torch.float64)
    norms = torch.linalg.matrix_norm(made.converting.solve(eye.expand(2, -1, -1)), 2)
    np.testing.assert_allclose(made.inverse_norm, norms, rtol=1e-12)
    s = np.linalg.svd(w0)[1]
    size = s / np.median(s, axis=-1)[:, None]
    magnified = size[:, 0] * (size / (size**2 + ridge**2)).max(-1)
    np.testing.assert_allclose(made.condition, magnified, rtol=1e-10)
    assert torch.equal(condition_number(made), condition_number(own))
    assert torch.equal(made.rank, own.rank)


@pytest.mark.parametrize("k", [1, 2, 5, 8])
def test_the_median_is_numpys(k: int) -> None:
    s = np.sort(np.random.default_rng(k).random((3, k)))[:, ::-1].copy()
    np.testing.assert_allclose(median(torch.from_numpy(s)), np.median(s, axis=-1))
