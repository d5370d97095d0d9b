import numpy as np
import pytest
import scipy.linalg
import torch
from slow_routes import conditioned

from lora_lens.core.factors.bases import orthonormal_basis
from lora_lens.core.similarity.phi_of_bases import phi_of_all_pairs
from lora_lens.core.solving.factoring import factor
from lora_lens.core.solving.gaussian_solver import GaussianSolver
from lora_lens.core.solving.rounded import gaussian_solver, rounded_solver
from lora_lens.core.solving.solvers import Transposed


def rows(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("n", [1, 5, 64, 65, 300])
@pytest.mark.parametrize("k", [7, 80])
@pytest.mark.parametrize("transposed", [False, True])
def test_solves_as_scipy_does(n: int, k: int, transposed: bool) -> None:
    w0 = conditioned(n, n, 1e3 if n > 1 else 1, np.random.default_rng(n))
    solver, dtype = rounded_solver(factor(torch.from_numpy(w0)[None], 1e-12), 0)
    assert isinstance(solver, Transposed)
    assert dtype == torch.float32
    rhs = rows(n, k, n)
    solve = solver.solve_transposed if transposed else solver.solve
    found = solve(rhs.mT[None])[0].numpy()
    expected = scipy.linalg.solve(w0.T if transposed else w0, rhs.T.double().numpy())
    assert np.linalg.norm(found - expected) < 2e-4 * np.linalg.norm(expected)  # float32 × 1e3
    assert torch.equal(rhs, rows(n, k, n))  # the right-hand side is left as it was


def tails(condition: float, n: int) -> dict[str, np.ndarray]:
    """Spectra of one condition number: even, one tiny value, four, and a steep end."""
    flat = np.linspace(1, 0.1, n)
    steep = np.concatenate([flat[:-20], np.geomspace(0.1, 1 / condition, 20)])
    few = {k: np.concatenate([flat[:-k], np.full(k, 1 / condition)]) for k in (1, 4)}
    return {
        "even": np.geomspace(1, 1 / condition, n), "one": few[1], "four": few[4], "steep": steep
    }  # fmt: skip


@pytest.mark.parametrize("n", [1, 5, 64, 200])  # as many right-hand sides
@pytest.mark.parametrize("transposed", [False, True])
def test_half_a_solve_has_the_covariance_of_a_whole_one(n: int, transposed: bool) -> None:
    """Gaussian columns through M have the law of those through W0⁻¹ if MMᵀ = W0⁻¹W0⁻ᵀ."""
    w0 = conditioned(n, n, 100 if n > 1 else 1, np.random.default_rng(n))
    solver, _ = gaussian_solver(factor(torch.from_numpy(w0)[None], 1e-12), 0)
    assert isinstance(solver, GaussianSolver)
    solve = solver.solve_transposed if transposed else solver.solve
    m = solve(torch.eye(n)[None])[0].double().numpy()
    inverse = scipy.linalg.inv(w0.T if transposed else w0)
    expected = inverse @ inverse.T
    assert np.linalg.norm(m @ m.T - expected) < 1e-4 * np.linalg.norm(expected)


@pytest.mark.parametrize("law", [False, True])
@pytest.mark.parametrize("condition", [1e4, 1e5, 1e6])
@pytest.mark.parametrize("tail", ["even", "one", "four", "steep"])
@pytest.mark.parametrize("k", [4, 8])
def test_phi_of_a_null_is_that_of_float64(condition: float, tail: str, k: int, law: bool) -> None:
    """Layers that share their small singular directions but for a turn, as real ones do."""
    n, layers, draws, rank = 192, 3, 40, 8
    rng = np.random.default_rng(7)
    right = np.linalg.qr(rng.standard_normal((n, n))).Q
    w0 = []
    for _ in range(layers):
        u = np.linalg.qr(rng.standard_normal((n, n))).Q
        v = np.linalg.qr(right + 0.02 * rng.standard_normal((n, n))).Q
        w0.append((u * tails(condition, n)[tail]) @ v.T)
    factored = factor(torch.from_numpy(np.stack(w0)), 1e-12)
    g = rows(8, layers, draws * rank, n)
    grids = []
    for exact in (False, True):
        bases = []
        for layer in range(layers):
            solver, dtype = (gaussian_solver if law else rounded_solver)(factored, layer)
            if exact:
                # Above the limit both are a plain float64 solve.
                halved = isinstance(solver, GaussianSolver)
                matrix = scipy.linalg.qr(w0[layer])[1] if halved else w0[layer]
                x = torch.from_numpy(np.linalg.solve(matrix, g[layer].T.double().numpy()))
            else:
                x = solver.solve(g[layer].to(dtype).mT[None])[0]
            x = x.mT.unflatten(0, (draws, rank)).mT
            bases.append(orthonormal_basis(x, k, ordered=k < rank).double())
        stacked = torch.stack(bases, 1)
        grids.append(phi_of_all_pairs(stacked, stacked))
    error = (grids[0] - grids[1]).numpy()
    assert np.abs(error).max() < 2e-3  # φ of one draw; its deviation is 0.01 and more here
    assert np.abs(error.mean(0)).max() < 1e-4  # what the baseline is made of


def test_what_float32_cannot_solve_stays_in_float64() -> None:
    w0 = torch.from_numpy(conditioned(40, 40, 1e9, np.random.default_rng(0)))
    solver, dtype = rounded_solver(factor(w0[None], 1e-14), 0)
    assert dtype == torch.float64
    rhs = rows(1, 3, 40).double()
    found = solver.solve(rhs.mT[None])[0].numpy()
    np.testing.assert_allclose(found, np.linalg.solve(w0.numpy(), rhs.numpy().T), rtol=1e-5)


@pytest.mark.parametrize(("out", "columns"), [(30, 12), (12, 30)])
def test_rectangular_w0_in_float32(out: int, columns: int) -> None:
    w0 = np.stack([conditioned(out, columns, 100, np.random.default_rng(k)) for k in range(2)])
    solver, dtype = rounded_solver(factor(torch.from_numpy(w0), 1e-12), 1)
    assert dtype == torch.float32
    forward, backward = rows(2, 5, out), rows(3, 5, columns)
    inverse = np.linalg.pinv(w0[1])
    np.testing.assert_allclose(
        solver.solve(forward.mT[None])[0], inverse @ forward.numpy().T, atol=1e-3
    )
    np.testing.assert_allclose(
        solver.solve_transposed(backward.mT[None])[0], inverse.T @ backward.numpy().T, atol=1e-3
    )
