"""ΔW of many adapters by its singular vectors, against the dense product."""

import numpy as np
import torch
from planted import orthogonal

from lora_lens.core.factors.balanced import balanced
from lora_lens.core.factors.rank import numerical_rank


def factors(
    n: int, out: int, into: int, rank: int, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    a = torch.randn(n, rank, into, generator=rng, dtype=torch.float64)
    b = torch.randn(n, out, rank, generator=rng, dtype=torch.float64)
    return a, b


def test_it_is_the_product_with_its_sign_and_scale() -> None:
    a, b = factors(5, 20, 13, 4)
    scaling = torch.tensor([1.0, -2.0, 0.5, 1e-6, 3.0], dtype=torch.float64)
    for k, one in enumerate(balanced(a, b, scaling)):
        dense = scaling[k] * b[k] @ a[k]
        made = one.left[: len(one.s)].mT * one.s @ one.right[: len(one.s)]
        torch.testing.assert_close(made, dense, rtol=1e-12, atol=1e-12 * float(dense.abs().max()))
        s = np.linalg.svd(dense.numpy(), compute_uv=False)[:4]
        np.testing.assert_allclose(one.s.numpy(), s, rtol=1e-10)
        for rows in (one.left, one.right, one.own_left, one.own_right):
            torch.testing.assert_close(rows @ rows.mT, torch.eye(4, dtype=torch.float64))
        np.testing.assert_allclose([one.norm_a, one.norm_b], [a[k].norm(), b[k].norm()])


def test_own_vectors_are_the_factors_in_their_order() -> None:
    a, b = factors(2, 20, 13, 4)
    for k, one in enumerate(balanced(a, b, torch.ones(2, dtype=torch.float64))):
        vh = np.linalg.svd(a[k].numpy(), full_matrices=False)[2]
        u = np.linalg.svd(b[k].numpy(), full_matrices=False)[0]
        np.testing.assert_allclose(
            np.abs(np.sum(one.own_right.numpy() * vh, axis=1)), 1, rtol=1e-10
        )
        np.testing.assert_allclose(
            np.abs(np.sum(one.own_left.numpy().T * u, axis=0)), 1, rtol=1e-10
        )


def test_vectors_above_a_factors_rank_are_left_out() -> None:
    a, b = factors(3, 20, 13, 4)
    a[0, 3] = a[0, 0] + a[0, 1]  # rank 3
    b[1] = 0
    b[2, :, 1] = 2 * b[2, :, 0]  # rank 3
    a[2, 2] = 0  # rank 3, and ΔW of rank 2
    one, untrained, both = balanced(a, b, torch.ones(3, dtype=torch.float64))
    assert (len(one.right), len(one.left), len(one.s)) == (3, 4, 3)
    assert (len(untrained.right), len(untrained.left), len(untrained.s)) == (4, 0, 0)
    assert (len(both.right), len(both.left), len(both.s)) == (
        3,
        3,
        int(torch.linalg.matrix_rank(b[2] @ a[2])),
    )
    for k, found in ((0, one), (2, both)):
        made = found.left[: len(found.s)].mT * found.s @ found.right[: len(found.s)]
        torch.testing.assert_close(made, b[k] @ a[k])
        projector = np.linalg.pinv(a[k].numpy()) @ a[k].numpy()
        np.testing.assert_allclose((found.right.mT @ found.right).numpy(), projector, atol=1e-12)


def test_rounding_of_a_factor_is_that_of_numerical_rank() -> None:
    """Of float32, up to 32 eps of the largest where r = 4."""
    a, b = factors(1, 400, 300, 4)
    falls = torch.tensor([1.0, 0.5, 0.1, 1.5e-6], dtype=torch.float64)
    thin = torch.linalg.qr(b[0]).Q * falls, (torch.linalg.qr(a[0].mT).Q * falls).mT
    b, a = (x.float()[None] for x in thin)
    (one,) = balanced(a, b, torch.ones(1, dtype=torch.float64))
    assert len(one.left) == int(numerical_rank(b[0])) == 3
    assert len(one.right) == int(numerical_rank(a[0])) == 3


def test_a_scale_of_zero_leaves_no_singular_values() -> None:
    a, b = factors(1, 9, 9, 2)
    assert len(balanced(a, b, torch.zeros(1, dtype=torch.float64))[0].s) == 0


def test_numbers_near_the_limits_of_float32_are_no_limit() -> None:
    a, b = factors(2, 20, 13, 4)
    plain = balanced(a.float(), b.float(), torch.ones(2, dtype=torch.float64))
    far = balanced(a.float() * 2.0**100, b.float() * 2.0**-110, torch.ones(2, dtype=torch.float64))
    for one, other in zip(plain, far, strict=True):
        torch.testing.assert_close(one.s * 2.0**-10, other.s, rtol=1e-12, atol=0)


def test_another_gauge_changes_no_subspace_and_no_singular_value() -> None:
    a, b = factors(1, 20, 13, 4)
    turn = (
        torch.from_numpy(orthogonal(4, np.random.default_rng(0))) * torch.tensor([0.3, 1, 2, 3.0])
        + 0.1
    )
    ones = torch.ones(1, dtype=torch.float64)
    one = balanced(a, b, ones)[0]
    other = balanced(turn @ a, b @ torch.linalg.inv(turn), ones)[0]
    torch.testing.assert_close(one.s, other.s)
    torch.testing.assert_close(one.right.mT @ one.right, other.right.mT @ other.right)
