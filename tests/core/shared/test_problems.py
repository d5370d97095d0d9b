"""Products without a matrix, and what is iterated with them, against the matrices themselves."""

import pytest
import scipy.linalg
import torch

from lora_lens.core.shared.chebyshev import Problems, iterated
from lora_lens.core.shared.downdated import Downdated
from lora_lens.core.shared.without_each import WithoutEach


def normal(*shape: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def downdated(dtype: torch.dtype) -> tuple[Problems, torch.Tensor, torch.Tensor]:
    """And their matrices A and B."""
    values = normal(6, 50, seed=1).abs().sort(descending=True).values
    columns = 0.2 * normal(6, 50, 3, seed=2) * values[..., None].sqrt()
    a = torch.diag_embed(values) - columns @ columns.mT
    eye = torch.eye(50, dtype=torch.float64).expand_as(a)
    return Downdated(values.to(dtype), columns.to(dtype)), a, eye


def without_each(dtype: torch.dtype) -> tuple[Problems, torch.Tensor, torch.Tensor]:
    """Two draws of five layers of rank 3, of W at random in the whitening of their sum."""
    w = normal(5, 50, 50, seed=3)
    root = torch.linalg.cholesky((w.mT @ w).sum(0))
    w = torch.linalg.solve_triangular(root.mT, w, upper=True, left=False)
    rows = torch.linalg.qr(normal(2, 5, 50, 3, seed=4)).Q.mT @ w
    m, e = rows.flatten(1, 2).mT @ rows.flatten(1, 2), w.mT @ w
    eye = torch.eye(50, dtype=torch.float64)
    draw, layer = torch.arange(2).repeat_interleave(5), torch.arange(5).repeat(2)
    own = rows.flatten(0, 1)
    inverse = torch.linalg.inv(eye - e)
    problems = WithoutEach.every(*(each.to(dtype) for each in (m, e, inverse, rows)))
    return problems, m[draw] - own.mT @ own, (eye - e)[layer]


MADE = pytest.mark.parametrize("made", [downdated, without_each])


@MADE
def test_products_are_those_of_the_matrices(made) -> None:
    problems, a, b = made(torch.float64)
    x = normal(len(a), 4, 50, seed=5)
    some, one = torch.arange(len(a)) % 3 > 0, torch.arange(len(a)) == 1
    for of, which in (
        (problems, slice(None)),
        (problems.some(some), some),
        (problems.some(one), one),
    ):
        image, metric, solved = of.image(x[which]), of.metric(x[which]), of.solved(x[which])
        torch.testing.assert_close(image, x[which] @ a[which], atol=1e-10, rtol=0)
        metric = x[which] if metric is None else metric
        torch.testing.assert_close(metric, x[which] @ b[which], atol=1e-10, rtol=0)
        torch.testing.assert_close(solved @ b[which], x[which], atol=1e-10, rtol=0)


@MADE
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("tolerance", [1e-8, 0.0])  # 0: decomposed in the end
def test_leading_vectors_are_scipys(made, dtype: torch.dtype, tolerance: float) -> None:
    problems, a, b = made(dtype)
    start = normal(len(a), 12, 50, seed=6).to(dtype)
    found = iterated(problems, 4, start, tolerance=tolerance, degree=12).double()
    close = 1e-5 if dtype == torch.float32 else 1e-7
    torch.testing.assert_close(
        found @ b @ found.mT, torch.eye(4, dtype=torch.float64).expand(len(a), -1, -1),
        atol=close, rtol=0,
    )  # fmt: skip
    for one, matrix, metric in zip(found, a, b, strict=True):
        exact = torch.from_numpy(scipy.linalg.eigh(matrix, metric)[1][:, -4:])
        captured = (one @ metric @ exact).square().sum() / 4
        assert float(captured) == pytest.approx(1, abs=1e-5)
