import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lora_lens.core.spectrum import (
    effective_rank,
    product_singular_values,
    product_svd,
    stable_rank,
)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_factored_svd_equals_the_dense_one(seed: int, rank: int) -> None:
    rng = np.random.default_rng(seed)
    b, a = rng.standard_normal((3, 14, rank)), rng.standard_normal((3, rank, 9))
    u, s, vh = product_svd(torch.from_numpy(b), torch.from_numpy(a))
    np.testing.assert_allclose((u * s[:, None]) @ vh, b @ a, atol=1e-11)
    np.testing.assert_allclose(s, np.linalg.svd(b @ a)[1][:, :rank], atol=1e-11)
    np.testing.assert_allclose(
        product_singular_values(torch.from_numpy(b), torch.from_numpy(a)), s, atol=1e-11
    )
    np.testing.assert_allclose(u.mT @ u, np.broadcast_to(np.eye(rank), (3, rank, rank)), atol=1e-12)


def test_known_ranks() -> None:
    s = torch.tensor([[1.0, 1, 1, 1], [5, 0, 0, 0], [2, 1, 0, 0]], dtype=torch.float64)
    torch.testing.assert_close(stable_rank(s), torch.tensor([4.0, 1, 1.25], dtype=torch.float64))
    of_s_not_of_s_squared = np.exp(-(2 / 3 * np.log(2 / 3) + 1 / 3 * np.log(1 / 3)))
    assert effective_rank(s)[0] == pytest.approx(4)
    assert effective_rank(s)[1] == pytest.approx(1)
    assert effective_rank(s)[2] == pytest.approx(of_s_not_of_s_squared)


def test_numpys_arrays_have_the_same_ranks() -> None:
    s = np.array([[1.0, 1, 1, 1], [5, 0, 0, 0], [2, 1, 0, 0], [0, 0, 0, 0]])
    for rank in (stable_rank, effective_rank):
        np.testing.assert_allclose(rank(s), rank(torch.from_numpy(s)), rtol=1e-14)
        assert np.isnan(rank(s)[3])
