import inspect

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lora_lens.core.product_svd import product_singular_values, product_svd
from lora_lens.errors import LensError


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


@pytest.mark.parametrize(
    ("b", "a"), [((8, 3), (2, 8)), ((3, 8, 2), (2, 2, 8)), ((8, 2), (3, 2, 8)), ((2,), (2, 8))]
)
def test_factors_that_have_no_product(b: tuple[int, ...], a: tuple[int, ...]) -> None:
    unchecked = inspect.unwrap(product_svd)  # the tests check shapes of annotations first
    with pytest.raises(LensError, match=r"expected \(\.\.\., out, r\) and \(\.\.\., r, in\)"):
        unchecked(torch.ones(b), torch.ones(a))
