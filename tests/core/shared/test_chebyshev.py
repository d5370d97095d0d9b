"""Leading eigenvectors by iteration, against a decomposition."""

import pytest
import torch

from lora_lens.core.shared.chebyshev import leading_eigenvectors


def gram(n: int, rows: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(5, n, rows, generator=generator)
    return x @ x.mT / rows


@pytest.mark.parametrize(("n", "rows"), [(20, 40), (90, 200), (120, 60)])
def test_the_span_is_the_leading_eigenvectors(n: int, rows: int) -> None:
    k, some = 4, gram(n, rows, seed=n)
    found = leading_eigenvectors(some, k, tolerance=1e-6)
    torch.testing.assert_close(found @ found.mT, torch.eye(k).expand(5, -1, -1), atol=1e-4, rtol=0)
    exact = torch.linalg.eigh(some.double()).eigenvectors[..., -k:]
    captured = (found.double() @ exact).square().sum((-2, -1)) / k
    assert float(captured.min()) > 1 - 1e-3


def test_a_start_that_is_right_stays() -> None:
    some = gram(100, 300, seed=3)
    exact = torch.linalg.eigh(some).eigenvectors[..., -8:].mT
    found = leading_eigenvectors(some, 4, exact)
    captured = (found @ exact[:, -4:].mT).square().sum((-2, -1)) / 4
    assert float(captured.min()) > 1 - 1e-5


def test_what_does_not_converge_is_decomposed() -> None:
    flat = torch.eye(80).expand(2, -1, -1) + 1e-4 * gram(80, 160, seed=5)[:2]
    found = leading_eigenvectors(flat, 4, tolerance=1e-9)
    values = ((found @ flat) * found).sum(-1)
    torch.testing.assert_close(
        values.sort().values, torch.linalg.eigvalsh(flat)[:, -4:], atol=1e-5, rtol=0
    )
