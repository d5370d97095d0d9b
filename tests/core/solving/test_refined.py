import numpy as np
import pytest
import torch
from slow_routes import conditioned

from lora_lens import phi
from lora_lens.core.conversions.conversion import conversion_matrices
from lora_lens.core.solving.condition import condition_number
from lora_lens.core.solving.factoring import factor, factoring_dtype
from lora_lens.core.solving.refined import FROM, RefinedSolver, refined
from lora_lens.core.solving.ridge import ridged
from lora_lens.core.solving.rounded import rounded_solver
from lora_lens.core.solving.solvers import SquareSolver

CUTOFF = 1.2e-7


def stored(n: int, condition: float, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(conditioned(n, n, condition, np.random.default_rng(seed))).float()


def columns(n: int, k: int, seed: int) -> torch.Tensor:
    return torch.randn(n, k, generator=torch.Generator().manual_seed(seed)).double()


@pytest.mark.parametrize("condition", [1.0, 1e2, 1e4, 9e4])
@pytest.mark.parametrize("transposed", [False, True])
def test_solutions_are_those_of_float64(condition: float, transposed: bool) -> None:
    w0 = torch.stack([stored(200, condition, seed) for seed in range(2)])
    made = factor(w0, CUTOFF, torch.float64)
    assert isinstance(made.solver, RefinedSolver)
    rhs = torch.stack([columns(200, 6, seed) for seed in range(2)])
    rhs[0, :, 3] = 0  # as a padded factor's
    found = (made.solver.solve_transposed if transposed else made.solver.solve)(rhs)
    assert found.dtype == torch.float64
    for matrix, b, x in zip(w0.double().numpy(), rhs.numpy(), found.numpy(), strict=True):
        expected = np.linalg.solve(matrix.T if transposed else matrix, b)
        assert np.linalg.norm(x - expected) < 1e-9 * np.linalg.norm(expected)
        assert abs(phi(x[:, :3], x[:, 4:], 2) - phi(expected[:, :3], expected[:, 4:], 2)) < 1e-10
    assert not found[0, :, 3].any()


@pytest.mark.parametrize("scale", [1e-60, 1e60])
def test_right_hand_sides_of_any_size(scale: float) -> None:
    w0, b = stored(150, 1e3), columns(150, 4, 1)
    made = refined(w0[None])
    expected = np.linalg.solve(w0.double().numpy(), b.numpy())
    off = made.solve(b[None] * scale)[0].numpy() / scale - expected
    assert np.linalg.norm(off, axis=0).max() < 1e-9 * np.linalg.norm(expected, axis=0).min()


def test_what_does_not_converge_is_solved_in_float64() -> None:
    """Beyond the condition that `factor` lets through."""
    w0, b = stored(150, 1e8), columns(150, 4, 2)
    found = refined(w0[None]).solve(b[None])[0].numpy()
    expected = np.linalg.solve(w0.double().numpy(), b.numpy())
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("condition", [1e6, 6e6])
def test_ill_conditioned_w0_is_factored_in_float64(condition: float) -> None:
    made = factor(stored(150, condition)[None], CUTOFF, torch.float64)
    assert isinstance(made.solver, SquareSolver)
    assert made.solver.lu.dtype == made.w0.dtype == torch.float64


@pytest.mark.parametrize("broken", ["zero row", "equal rows", "zero", "nan"])
def test_singular_w0_is_seen_in_float64(broken: str) -> None:
    w0 = stored(140, 10.0)
    if broken == "nan":
        w0[3, 4] = np.nan
        with pytest.raises(RuntimeError):  # torch's SVD
            factor(w0[None], CUTOFF, torch.float64)
        return
    w0[3] = 0 if broken != "equal rows" else w0[4]
    if broken == "zero":
        w0.zero_()
    made = factor(w0[None], CUTOFF, torch.float64)
    assert made.rank.item() == (0 if broken == "zero" else 139)


def test_float32_right_hand_sides_stay_there() -> None:
    solver, b = refined(stored(150, 1e3)[None]), columns(150, 4, 3).float()
    assert solver.solve(b[None]).dtype == torch.float32


def test_a_null_uses_the_same_factors() -> None:
    made = factor(torch.stack([stored(150, 1e3, seed) for seed in range(2)]), CUTOFF, torch.float64)
    solver, dtype = rounded_solver(made, 1)
    assert isinstance(solver, RefinedSolver)
    assert solver.packed.data_ptr() == made.solver.packed[1].data_ptr()
    b = columns(150, 80, 4).to(dtype)
    expected = np.linalg.solve(made.w0[1].double().numpy(), b.double().numpy())
    found = solver.solve(b[None])[0].numpy()
    assert np.linalg.norm(found - expected) < 1e-3 * np.linalg.norm(expected)


def test_wide_float32_weights_take_this_way_and_no_others() -> None:
    wide = (FROM, FROM)
    assert factoring_dtype(wide, torch.bfloat16, torch.float64) == torch.float32
    assert factoring_dtype(wide, torch.float64, torch.float64) == torch.float64
    assert factoring_dtype((FROM, FROM + 1), torch.float32, torch.float64) == torch.float64
    assert factoring_dtype((FROM - 1, FROM - 1), torch.float32, torch.float64) == torch.float64


def test_the_inverse_norm_has_two_digits_and_a_ridge_changes_no_condition_number() -> None:
    """Under a ridge the norm at hand is that of what converts."""
    w0 = stored(FROM, 3e4, 2)
    made = factor(w0[None], CUTOFF, torch.float64)
    assert isinstance(made.solver, RefinedSolver)
    least = np.linalg.svd(w0.double().numpy(), compute_uv=False)[-1]
    assert made.inverse_norm.item() == pytest.approx(1 / least, rel=0.015)
    own = condition_number(made)
    assert own.item() == pytest.approx(3e4, rel=0.03)
    assert condition_number(ridged(made, 1.0)).item() == pytest.approx(own.item(), rel=1e-6)


def test_conversion_matrices_of_a_wide_w0() -> None:
    w0 = stored(FROM, 1e4).bfloat16()
    a, b = columns(FROM, 2, 5).mT, columns(FROM, 2, 6)
    exact = w0.double().numpy()
    for convention, turned in (("stored", exact), ("consistent", exact.T)):
        found = conversion_matrices(w0, a, b, convention=convention)  # type: ignore[arg-type]
        for one, w, rhs in ((found.a, turned, a.mT), (found.b, exact, b)):
            expected = np.linalg.solve(w, rhs.numpy())
            assert np.linalg.norm(one.numpy() - expected) < 1e-9 * np.linalg.norm(expected)
    assert found.condition_number.dtype == torch.float64
    assert found.condition_number.item() == pytest.approx(np.linalg.cond(exact), rel=0.03)
    made = factor(w0.float()[None], CUTOFF, torch.float64)
    assert condition_number(made).item() == found.condition_number.item()
