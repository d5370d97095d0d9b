"""Against the kernels that have the tall matrices themselves."""

import pytest
import torch

from lora_lens import phi, product_svd
from lora_lens.core.factors.rank import numerical_rank
from lora_lens.core.similarity.grams import columns_of, phi_of_columns, product_values


def tall(seed: int, *shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def gram(x: torch.Tensor) -> torch.Tensor:
    return x.double().mT @ x.double()


@pytest.mark.parametrize("condition", [1.0, 1e3, 1e5])
def test_the_spectrum_is_that_of_the_product(condition: float) -> None:
    b, a = tall(0, 3, 40, 6), tall(1, 3, 30, 6)
    b = b * torch.logspace(0, -torch.tensor(condition).log10(), 6, dtype=torch.float64)
    found = product_values(columns_of(gram(b), 40), columns_of(gram(a), 30))
    expected = product_svd(b, a.mT).s
    assert (found - expected).abs().max() <= 1e-10 * expected.max()  # κ²·eps of the small ones


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_phi_is_that_of_the_matrices(dtype: torch.dtype) -> None:
    x, y = tall(2, 4, 50, 5, dtype=dtype), tall(3, 4, 50, 5, dtype=dtype)
    y = (y + 2 * x).to(dtype)
    found = phi_of_columns(
        columns_of(gram(x), 50), columns_of(gram(y), 50), x.double().mT @ y.double()
    )
    assert found == pytest.approx(phi(x.double(), y.double(), 5), abs=1e-12)


def test_phi_does_not_know_the_gauge() -> None:
    x, gauge = tall(4, 50, 5), tall(5, 5, 5)
    y = x @ gauge
    one, other = columns_of(gram(x), 50), columns_of(gram(y), 50)
    assert float(phi_of_columns(one, other, x.mT @ y)) == pytest.approx(1, abs=1e-10)


def test_below_full_rank_phi_is_of_the_columns_that_there_are() -> None:
    x, y = tall(6, 50, 5), tall(7, 50, 5)
    x[:, 3] = x[:, 0] - x[:, 1]
    one, other = columns_of(gram(x), 50), columns_of(gram(y), 50)
    assert (int(one.rank), int(other.rank)) == (4, 5)
    assert float(phi_of_columns(one, other, x.mT @ y)) == pytest.approx(
        float(phi(x, y, 4, 5)), abs=1e-9
    )


def test_lines_have_a_phi() -> None:
    x, y = tall(9, 50, 1).expand(50, 2), tall(10, 50, 2)
    line, plane = columns_of(gram(x), 50), columns_of(gram(y), 50)
    assert float(phi_of_columns(line, plane, x.mT @ y)) == pytest.approx(
        float(phi(x, y, 1, 2)), abs=1e-9
    )


def test_a_zero_matrix_has_no_phi_and_no_spectrum() -> None:
    x, zero = tall(8, 50, 5), torch.zeros(50, 5, dtype=torch.float64)
    one, none = columns_of(gram(x), 50), columns_of(gram(zero), 50)
    assert int(none.rank) == 0
    assert bool(phi_of_columns(one, none, x.mT @ zero).isnan())
    assert float(product_values(none, one).max()) == 0


@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e20])
def test_the_rank_is_the_numerical_rank(scale: float) -> None:
    x = tall(9, 40, 6, dtype=torch.float32) * scale
    for kept, least in ((6, 1e-2), (6, 1e-4), (5, 1e-7)):
        y = x * torch.tensor([1, 1, 1, 1, 1, least])
        assert int(columns_of(gram(y), 40).rank) == int(numerical_rank(y)) == kept


def test_the_whitened_columns_are_an_orthonormal_basis() -> None:
    x = tall(10, 40, 6)
    basis = x @ columns_of(gram(x), 40).whitening
    assert (basis.mT @ basis - torch.eye(6)).abs().max() < 1e-12
    assert float(phi(basis, x, 6)) == pytest.approx(1, abs=1e-12)
