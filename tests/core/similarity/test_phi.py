import importlib.util
import sys
import types
from collections.abc import Callable

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_routes import slow_phi

import lora_lens.core.factors.leading_basis
import lora_lens.core.numbers.checked
import lora_lens.core.numbers.whole
from lora_lens import (
    LensError,
    RankError,
    TiedWarning,
    phi,
    phi_grid,
    phi_matrix,
    principal_angles,
)
from lora_lens.core.factors.rank import numerical_rank

EXACT = 1e-12  # float64 in, float64 out


def draw(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.fixture
def untyped_phi(monkeypatch: pytest.MonkeyPatch) -> Callable[..., object]:
    """`phi` as users have it, without the tests' run-time type checks before it."""

    def loaded(name: str, source: str) -> types.ModuleType:
        spec = importlib.util.spec_from_file_location(name, source)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    checked = loaded(
        "lora_lens.core.numbers.untyped_checked", lora_lens.core.numbers.checked.__file__
    )
    basis = loaded(
        "lora_lens.core.factors.untyped_basis", lora_lens.core.factors.leading_basis.__file__
    )
    whole = loaded("lora_lens.core.numbers.untyped_whole", lora_lens.core.numbers.whole.__file__)
    module = loaded(
        "lora_lens.core.similarity.untyped_phi",
        sys.modules["lora_lens.core.similarity.phi"].__file__,
    )
    monkeypatch.setattr(module, "as_tensors", checked.as_tensors)
    monkeypatch.setattr(module, "leading_basis", basis.leading_basis)
    monkeypatch.setattr(module, "check_whole", whole.check_whole)
    return module.phi


# Known answers


def test_itself_is_one() -> None:
    x = draw(0, 30, 5)
    assert phi(x, x, 5) == pytest.approx(1, abs=EXACT)


def test_orthogonal_is_zero() -> None:
    assert phi(np.eye(6)[:, :3], np.eye(6)[:, 3:], 3) == pytest.approx(0, abs=EXACT)


def test_hadamard_columns_lie_half_in_a_coordinate_plane() -> None:
    hadamard = scipy.linalg.hadamard(4).astype(float)
    assert phi(hadamard[:, :2], np.eye(4)[:, :2], 2) == pytest.approx(0.5, abs=EXACT)


def test_smaller_subspace_inside_the_larger_is_one() -> None:
    x = draw(1, 20, 6)
    assert phi(x[:, :2], x, 2, 6) == pytest.approx(1, abs=EXACT)


# Second routes


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(("rows", "columns"), [(40, 6), (6, 40), (12, 12)])
@pytest.mark.parametrize(("i", "j"), [(6, 6), (3, 3), (2, 5), (6, 1)])
def test_equals_full_svds(side: str, rows: int, columns: int, i: int, j: int) -> None:
    x, y = draw(2, rows, columns), draw(3, rows, columns)
    assert phi(x, y, i, j, side=side) == pytest.approx(slow_phi(x, y, i, j, side), abs=EXACT)


def test_matrix_equals_a_loop_of_pairs() -> None:
    x, y = torch.from_numpy(draw(8, 4, 20, 5)), torch.from_numpy(draw(9, 3, 20, 5))
    expected = [[slow_phi(a.numpy(), b.numpy(), 4, 2) for b in y] for a in x]
    torch.testing.assert_close(
        phi_matrix(x, y, i=4, j=2), torch.tensor(expected, dtype=torch.float64), atol=EXACT, rtol=0
    )


def test_grid_equals_a_loop_of_i_and_j() -> None:
    x, y = draw(10, 20, 4), draw(11, 20, 5)
    expected = [[slow_phi(x, y, i, j) for j in range(1, 6)] for i in range(1, 5)]
    np.testing.assert_allclose(phi_grid(x, y), expected, atol=EXACT)


def test_a_grid_is_of_ranks_from_1() -> None:
    line, zero = np.outer([3.0, 4.0], [1.0, 2.0]), np.zeros((2, 2))
    np.testing.assert_allclose(phi_grid(line, np.eye(2)[:, :1]), [[0.36]], atol=EXACT)
    with pytest.raises(RankError, match=r"rank 0 \(all zero\)"):
        phi_grid(line, zero)


def test_batches_broadcast() -> None:
    x, y = draw(12, 3, 1, 20, 4), draw(13, 2, 20, 4)
    result = phi(x, y, 4)
    assert result.shape == (3, 2)
    assert result[2, 1] == pytest.approx(slow_phi(x[2, 0], y[1], 4, 4), abs=EXACT)


# Kinds of input


def test_numpy_gives_numpy_and_torch_gives_torch() -> None:
    x = draw(14, 10, 3)
    assert isinstance(phi(x, x, 2), np.floating)
    assert isinstance(phi(torch.from_numpy(x), torch.from_numpy(x), 2), torch.Tensor)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_dtype_is_kept_and_computed_in_float64(dtype: torch.dtype) -> None:
    x, y = (torch.from_numpy(draw(seed, 700, 8)).to(dtype) for seed in (15, 16))
    result = phi(x, y, 8)
    assert result.dtype == dtype
    expected = slow_phi(x.double().numpy(), y.double().numpy(), 8, 8)
    assert float(result) == pytest.approx(expected, rel=torch.finfo(dtype).eps)


def test_gradient_is_right() -> None:
    x, y = (torch.from_numpy(draw(seed, 7, 3)).requires_grad_() for seed in (17, 18))
    for i, j in ((3, 3), (2, 1)):
        assert torch.autograd.gradcheck(lambda a, b, i=i, j=j: phi(a, b, i, j), (x, y))
        wide = lambda a, b, i=i, j=j: phi(a.mT, b.mT, i, j, side="right")  # noqa: E731
        assert torch.autograd.gradcheck(wide, (x, y))
    assert torch.autograd.gradcheck(lambda a, b: phi(a.mT, b.mT, 2), (x, y))


def test_gradient_at_full_rank_survives_equal_singular_values() -> None:
    x = torch.eye(6, dtype=torch.float64)[:, :3].clone().requires_grad_()
    phi(x, torch.from_numpy(draw(19, 6, 3)), 3).backward()
    assert torch.isfinite(x.grad).all()


def test_gradient_at_the_rank_of_a_product_is_that_of_its_factors() -> None:
    # Its other singular values are zero, all alike.
    b, y = (torch.from_numpy(draw(seed, 40, 2)).requires_grad_() for seed in (20, 21))
    for columns in (12, 40, 60):
        a = torch.from_numpy(draw(22, 2, columns))
        for product, side in ((b @ a, "left"), ((b @ a).mT, "right")):
            other = y if side == "left" else y.mT
            found = torch.autograd.grad(phi(product, other, 2, side=side), (b, y))
            torch.testing.assert_close(found, torch.autograd.grad(phi(b, y, 2), (b, y)))


def test_gradient_is_zero_where_one_subspace_is_all_of_space() -> None:
    x = torch.eye(3, 5, dtype=torch.float64).requires_grad_()
    phi(x, torch.from_numpy(draw(23, 3, 2)), 3, 2).backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, torch.zeros_like(x), atol=1e-12, rtol=0)


# Errors


@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning")  # jacfwd's own, from torch 2.15 on
def test_a_matrix_of_pairs_goes_through_torch_func() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(2, 6, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    for function in (lambda z: phi_matrix(z, i=2), lambda z: phi_matrix(y, z, i=3)):
        expected = torch.autograd.functional.jacobian(function, x)
        torch.testing.assert_close(torch.func.jacrev(function)(x), expected, atol=1e-12, rtol=0)
        torch.testing.assert_close(torch.func.jacfwd(function)(x), expected, atol=1e-12, rtol=0)


def test_of_one_stack_nothing_is_called_y() -> None:
    with pytest.raises(RankError, match="5 singular vectors of x"):
        phi_matrix(np.diag([3.0, 2.0, 1.0])[None], i=2, j=5)


def test_more_than_the_rank_is_an_error_that_names_it() -> None:
    x, y = draw(20, 768, 8).astype(np.float32), draw(21, 768, 8).astype(np.float32)
    with pytest.raises(RankError, match="rank 8"):
        phi(x, y, 16)


def test_a_dense_float32_product_has_its_inner_rank() -> None:
    b, a = draw(22, 96, 8).astype(np.float32), draw(23, 8, 96).astype(np.float32)
    with pytest.raises(RankError, match="rank 8"):
        phi(b @ a, b @ a, 9)
    assert phi(b @ a, b @ a, 8) == pytest.approx(1, abs=1e-6)
    assert int(numerical_rank(torch.from_numpy(b @ a))) == np.linalg.matrix_rank(b @ a) == 8


def test_zero_matrix_is_an_error() -> None:
    with pytest.raises(RankError, match="all zero"):
        phi(np.zeros((5, 2)), draw(24, 5, 2), 1)


@pytest.mark.parametrize("bad", [0, -1])
def test_fewer_than_one_is_an_error(bad: int) -> None:
    with pytest.raises(RankError, match="at least 1"):
        phi(draw(25, 5, 2), draw(26, 5, 2), bad)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_finite_is_an_error(value: float) -> None:
    x = draw(27, 5, 2)
    x[1, 1] = value
    with pytest.raises(LensError, match="NaN or infinite"):
        phi(x, draw(28, 5, 2), 1)


def test_different_spaces_are_an_error() -> None:
    with pytest.raises(LensError, match="5 and 6 dimensions"):
        phi(draw(29, 5, 2), draw(30, 6, 2), 2)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.ones(3), np.ones((3, 1)), r"expected \(\.\.\., m, n\)"),
        (np.ones((3, 1)) * 1j, np.ones((3, 1)), "complex"),
        (np.ones((3, 1)), torch.ones(3, 1), "all be torch tensors or all"),
        (np.ones((0, 3, 1)), np.ones((0, 3, 1)), r"x has shape \(0, 3, 1\), which holds nothing"),
    ],
)
def test_what_is_no_matrix_is_an_error(
    untyped_phi: Callable[..., object], x: object, y: object, message: str
) -> None:
    with pytest.raises(LensError, match=message):
        untyped_phi(x, y, 1)


def test_unknown_side_is_an_error(untyped_phi: Callable[..., object]) -> None:
    with pytest.raises(LensError, match="'left' or 'right'"):
        untyped_phi(np.eye(3), np.eye(3), 1, side="top")


# Properties

seeds = st.integers(0, 2**32 - 1)
dims = st.integers(1, 4)


@settings(deadline=None, max_examples=30)
@given(seeds, dims, dims)
def test_between_zero_and_one_and_symmetric(seed: int, i: int, j: int) -> None:
    x, y = draw(seed, 12, 4), draw(seed + 1, 12, 4)
    value = phi(x, y, i, j)
    assert 0 <= value <= 1
    assert value == pytest.approx(phi(y, x, j, i), abs=EXACT)


@settings(deadline=None, max_examples=30)
@given(seeds, dims, dims, st.floats(1e-6, 1e6))
def test_scaling_changes_nothing(seed: int, i: int, j: int, scale: float) -> None:
    x, y = draw(seed, 12, 4), draw(seed + 1, 12, 4)
    assert phi(-scale * x, y, i, j) == pytest.approx(phi(x, y, i, j), abs=1e-10)


@settings(deadline=None, max_examples=30)
@given(seeds, dims, dims)
def test_rotating_the_space_changes_nothing(seed: int, i: int, j: int) -> None:
    x, y, q = draw(seed, 12, 4), draw(seed + 1, 12, 4), np.linalg.qr(draw(seed + 2, 12, 12)).Q
    assert phi(q @ x, q @ y, i, j) == pytest.approx(phi(x, y, i, j), abs=1e-10)


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_the_gauge_changes_nothing_at_full_rank(seed: int) -> None:
    x, y, gauge = draw(seed, 12, 4), draw(seed + 1, 12, 4), draw(seed + 2, 4, 4)
    if np.linalg.cond(gauge) < 1e3:
        assert phi(x @ gauge, y, 4) == pytest.approx(phi(x, y, 4), abs=1e-9)


@pytest.mark.parametrize("i", [2.5, 2.0, "2", np.float64(2)])
def test_a_count_that_is_no_whole_number_is_an_error(
    untyped_phi: Callable[..., object], i: object
) -> None:
    for counts, name in (((i,), "i"), ((2, i), "j")):
        with pytest.raises(LensError, match=rf"^{name} is .*; expected a whole number$"):
            untyped_phi(np.eye(4), np.eye(4), *counts)


def test_a_count_cannot_be_left_out_by_none(untyped_phi: Callable[..., object]) -> None:
    with pytest.raises(LensError, match="^i is None; expected a whole number$"):
        untyped_phi(np.eye(4), np.eye(4), None)


# Ties at the cut


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_cut_between_equal_singular_values_is_warned_of(dtype: type, side: str) -> None:
    q = np.linalg.qr(draw(3, 50, 8))[0]
    x = (q * [5, 4, 4, 4, 3, 2, 2 - 1e-3, 1]).astype(dtype)
    y = draw(4, 50, 8).astype(dtype)
    x, y = (x, y) if side == "left" else (x.T, y.T)
    for i in (2, 3):
        for function in (phi, principal_angles):
            with pytest.warns(TiedWarning, match=f"subspace of {i} singular vectors of x is not"):
                function(x, y, i, 8, side=side)
        with pytest.warns(TiedWarning, match="of y is not determined.* in some matrix"):
            phi_matrix(np.stack([y, y]), np.stack([y, x]), i=i, side=side)
    for i in (1, 4, 5, 6, 7, 8):  # without one: warnings are errors
        phi(x, y, i, side=side)


def test_full_rank_and_what_is_above_it_have_no_ties() -> None:
    x = np.eye(50)[:, :8]
    phi(x, x, 8)
    phi(np.c_[x, x], x, 8)
    with pytest.warns(TiedWarning):
        assert phi(x, x[:, ::-1], 3) < 1


@pytest.mark.parametrize(
    ("dtype", "k"), [(np.float16, 8), (np.float32, 24), (np.float32, 40), (np.float64, 40)]
)
def test_near_singular_values_that_precision_tells_apart_are_no_tie(dtype: type, k: int) -> None:
    s = np.arange(1.0, 49.0) ** -1.5
    u, v = (np.linalg.qr(draw(seed, n, 48))[0] for seed, n in ((5, 1024), (6, 48)))
    x = (u * s) @ v.T
    assert phi(x.astype(dtype), x, k) > 1 - 1e-3


def test_all_pairs_of_one_stack_need_its_bases_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import lora_lens.core.similarity.phi as module

    made, own = [], module.leading_basis
    monkeypatch.setattr(
        module, "leading_basis", lambda x, *a, **k: made.append(k["name"]) or own(x, *a, **k)
    )
    x = torch.randn(3, 9, 4, generator=torch.Generator().manual_seed(0))
    itself = phi_matrix(x, i=2)
    assert made == ["x"]
    torch.testing.assert_close(itself, phi_matrix(x, x.clone(), i=2))
    assert made == ["x", "x", "y"]
