import inspect

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lora_lens.core.factors.product_svd import product_singular_values, product_svd
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


@pytest.mark.parametrize(("out", "r", "width"), [(3, 5, 4), (9, 5, 4), (3, 5, 9)])
def test_an_inner_dimension_above_a_side_gives_the_thin_svd(out: int, r: int, width: int) -> None:
    rng = np.random.default_rng(r)
    b, a = rng.standard_normal((2, out, r)), rng.standard_normal((2, r, width))
    u, s, vh = product_svd(b, a)
    least = min(out, r, width)
    assert (u.shape, s.shape, vh.shape) == ((2, out, least), (2, least), (2, least, width))
    np.testing.assert_allclose((u * s[:, None]) @ vh, b @ a, atol=1e-12)
    np.testing.assert_allclose(vh @ vh.swapaxes(1, 2), np.stack([np.eye(least)] * 2), atol=1e-12)


@pytest.mark.parametrize(
    ("b", "a"), [((8, 3), (2, 8)), ((3, 8, 2), (2, 2, 8)), ((8, 2), (3, 2, 8))]
)
def test_factors_that_have_no_product(b: tuple[int, ...], a: tuple[int, ...]) -> None:
    unchecked = inspect.unwrap(product_svd)  # the tests check shapes of annotations first
    with pytest.raises(LensError, match=r"expected \(\.\.\., out, r\) and \(\.\.\., r, in\)"):
        unchecked(torch.ones(b), torch.ones(a))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_short_dtypes_are_computed_in_float64(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    b, a = (torch.randn(n, 3, generator=generator, dtype=torch.float64).to(dtype) for n in (9, 7))
    found, wide = product_svd(b, a.mT), product_svd(b.double(), a.mT.double())
    for one, other in zip(found, wide, strict=True):
        assert one.dtype == dtype
        assert torch.equal(one, other.to(dtype))


@pytest.mark.parametrize(
    ("b", "said"),
    [
        (torch.ones(4, 2).to("meta"), "b is on the device meta"),
        (torch.ones(4, 2).to_sparse(), "b is not dense"),
        (torch.ones(4, 2).to(torch.complex64), "b is complex"),
        (torch.ones(4), r"b has shape \(4,\), expected \(\.\.\., m, n\)"),
        (torch.ones(4, 0), "holds nothing"),
    ],
)  # fmt: skip
def test_what_is_no_matrix_is_said(b: torch.Tensor, said: str) -> None:
    with pytest.raises(LensError, match=said):
        product_svd(b, b if b.ndim < 2 else b.mT)


def test_integers_and_lists_are_taken_as_by_phi() -> None:
    b = torch.tensor([[3], [4]])
    assert product_svd(b, b.mT).s.dtype == torch.float64
    assert product_svd([[3.0], [4.0]], [[0.0, 2.0]]).s == pytest.approx([10])
    assert product_svd([b.float()], [b.float().mT]).u.shape == (1, 2, 1)


def test_products_near_and_beyond_the_dtypes_ends() -> None:
    b, a = torch.tensor([[3.0], [4.0]]), torch.tensor([[0.0, 2.0]])
    for power, word in ((-100, "too small"), (100, "beyond")):
        with pytest.raises(LensError, match=f"{word}.*float32; pass them in float64, or scaled"):
            product_svd(b * 2.0**power, a * 2.0**power)
        with pytest.raises(LensError, match=f"{word}.*float64; pass them scaled"):
            product_svd(b.double() * 2.0 ** (8 * power), a.double() * 2.0 ** (8 * power))
        wide = product_svd(b.double() * 2.0**power, a.double() * 2.0**power)
        assert wide.s.item() / 4.0**power == pytest.approx(10, rel=1e-15)
    assert product_svd(b * 2.0**-100, a * 2.0**100).s.item() == pytest.approx(10, rel=1e-7)
    assert product_svd(b * 0, a).s.item() == 0


def test_it_is_differentiable() -> None:
    b = torch.tensor([[3.0], [4.0]], requires_grad=True)
    product_svd(b * 1e-12, torch.tensor([[0.0, 2e12]])).s.sum().backward()
    torch.testing.assert_close(b.grad, torch.tensor([[1.2], [1.6]]))
