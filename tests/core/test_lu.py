import numpy as np
import pytest
import scipy.linalg
import torch
from slow_routes import conditioned

from lora_lens.core.lu import lu


@pytest.mark.parametrize("n", [1, 2, 127, 128, 129, 300])
def test_the_rows_in_their_order_are_l_times_u(n: int) -> None:
    w0 = torch.randn(n, n, generator=torch.Generator().manual_seed(n))
    kept = w0.clone()
    packed, order = lu(w0)
    lower = packed.tril(-1) + torch.eye(n)
    assert torch.equal(w0, kept)
    assert sorted(order.tolist()) == list(range(n))
    assert lower.abs().max() <= 1  # partial pivoting
    np.testing.assert_allclose(lower @ packed.triu(), w0[order], atol=2e-6 * n**0.5)


@pytest.mark.parametrize("n", [1, 129, 300])
@pytest.mark.parametrize("transposed", [False, True])
def test_solves_as_scipy_does(n: int, transposed: bool) -> None:
    w0 = conditioned(n, n, 50 if n > 1 else 1, np.random.default_rng(n)).astype(np.float32)
    made = lu(torch.from_numpy(w0))
    rhs = torch.randn(n, 5, generator=torch.Generator().manual_seed(n))
    found = (made.solve_transposed if transposed else made.solve)(rhs)
    expected = scipy.linalg.solve(w0.T if transposed else w0, rhs.double().numpy())
    assert np.linalg.norm(found.numpy() - expected) < 1e-4 * np.linalg.norm(expected)


def test_it_pivots_as_the_library_does() -> None:
    w0 = torch.randn(300, 300, generator=torch.Generator().manual_seed(0))
    permutation = torch.linalg.lu(w0).P
    assert torch.equal(permutation.mT @ w0, w0[lu(w0).order])
