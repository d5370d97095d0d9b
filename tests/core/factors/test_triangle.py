"""The triangle of a tall matrix, by a Gram matrix or by QR: both against dense SVDs in float64."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_routes import conditioned

from lora_lens.core.factors import triangle as module
from lora_lens.core.factors.decompositions import singular_values
from lora_lens.core.factors.product_svd import product_singular_values
from lora_lens.core.factors.triangle import spectral_norm, triangle

KINDS = {"numpy": np.asarray, "torch": torch.from_numpy}


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> Any:
    return KINDS[request.param]


def refuse(_: object) -> object:
    raise AssertionError("QR was taken")


@pytest.mark.parametrize("exponent", range(13))
def test_singular_values_whatever_the_condition(kind: Any, exponent: int) -> None:
    """κ from 1 to 1e12: off by 1e-10 of themselves where they are squared, else as LAPACK's own."""
    rng = np.random.default_rng(exponent)
    condition = 10.0**exponent
    for rows, columns in ((600, 16), (40, 40), (300, 1)):
        x = conditioned(rows, columns, condition, rng)
        r = triangle(kind(x))
        assert r.shape == (columns, columns)
        assert (np.tril(np.asarray(r), -1) == 0).all()
        found, expected = np.asarray(singular_values(r)), np.linalg.svd(x, compute_uv=False)
        rounding = 1e-14 * rows**0.5
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=rounding * expected[0])
        np.testing.assert_allclose(np.asarray(r).T @ np.asarray(r), x.T @ x, atol=1e-12)
        assert float(spectral_norm(kind(x.T))) == pytest.approx(expected[0], rel=1e-12)


def test_the_gram_matrix_serves_up_to_its_limit_and_not_above(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    taken = []
    real = module.householder
    monkeypatch.setattr(module, "householder", lambda x: taken.append(x) or real(x))
    for condition, by_qr in ((1, 0), (900, 0), (1.2e3, 1), (1e5, 1), (1e9, 1), (1e16, 1)):
        taken.clear()
        triangle(kind(conditioned(200, 8, condition, rng)))
        assert len(taken) == by_qr, condition


def test_a_batch_is_decided_matrix_by_matrix(kind: Any) -> None:
    """Well and ill conditioned, rank-deficient, zero and padded ones side by side."""
    rng = np.random.default_rng(1)
    x = np.stack([conditioned(50, 4, c, rng) for c in (10, 1e6, 3, 2, 5)])
    x[2, :, 3] = x[2, :, 0]  # rank 3
    x[3] = 0
    x[4, :, 2:] = 0  # as a padded factor
    found = np.asarray(singular_values(triangle(kind(x))))
    np.testing.assert_allclose(found, np.linalg.svd(x, compute_uv=False), rtol=1e-9, atol=1e-14)
    pair = np.asarray(singular_values(triangle(kind(x.reshape(5, 1, 50, 4)))))
    np.testing.assert_allclose(pair[:, 0], found, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("scale", [1e-200, 1e-160, 1e-150, 1e150, 1e160, 1e200])
def test_squares_that_leave_the_range(kind: Any, scale: float) -> None:
    x = conditioned(60, 5, 20, np.random.default_rng(2))
    found = np.asarray(singular_values(triangle(kind(x * scale))))
    np.testing.assert_allclose(found / scale, np.linalg.svd(x, compute_uv=False), rtol=1e-12)


def test_wide_matrices_and_float32_are_qrs(kind: Any) -> None:
    x = np.random.default_rng(3).standard_normal((3, 7))
    assert triangle(kind(x)).shape == (3, 7)
    expected = np.linalg.svd(x, compute_uv=False)
    np.testing.assert_allclose(singular_values(triangle(kind(x))), expected, rtol=1e-12)
    single = triangle(kind(x.T.astype(np.float32)))
    assert str(single.dtype).endswith("float32")
    np.testing.assert_allclose(
        np.abs(np.asarray(single)), np.abs(np.linalg.qr(x.T, mode="r")), rtol=1e-5
    )


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 9), st.integers(1, 9),
    st.floats(0, 12),
)  # fmt: skip
def test_products_equal_dense_ones(seed: int, rank: int, rows: int, columns: int, e: float) -> None:
    """Ranks above the sizes too, as a classifier's head has."""
    rng = np.random.default_rng(seed)
    b, a = conditioned(rows, rank, 10**e, rng), rng.standard_normal((rank, columns))
    dense = np.linalg.svd(b @ a, compute_uv=False)[: min(rows, rank, columns)]
    for kind in KINDS.values():
        found = np.asarray(product_singular_values(kind(b), kind(a)))[: len(dense)]
        # A's rows are O(1): errors are of ‖B‖‖A‖.
        np.testing.assert_allclose(found, dense, rtol=2e-10, atol=1e-14 * np.linalg.norm(a))
