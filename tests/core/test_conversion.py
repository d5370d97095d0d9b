import numpy as np
import pytest
import torch
from slow_routes import slow_conversions

from lora_lens import conversion_matrices
from lora_lens.errors import LensError, SingularError


@pytest.mark.parametrize("convention", ["stored", "consistent"])
def test_public_function_takes_batches_of_float32(convention: str) -> None:
    rng = np.random.default_rng(7)
    w0, a, b = (
        rng.standard_normal(shape).astype(np.float32)
        for shape in ((2, 3, 9, 9), (2, 3, 4, 9), (2, 3, 9, 4))
    )
    got = conversion_matrices(*map(torch.from_numpy, (w0, a, b)), convention=convention)
    assert got.condition_number.shape == (2, 3)
    expected = slow_conversions(*(x[1, 2].astype(float) for x in (w0, a, b)), convention)
    np.testing.assert_allclose(got.a[1, 2], expected["A"], rtol=1e-9)
    np.testing.assert_allclose(got.b[1, 2], expected["B"], rtol=1e-9)


def test_public_function_refuses_a_rectangle_under_stored() -> None:
    w0, a, b = torch.ones(3, 4), torch.ones(1, 4), torch.ones(3, 1)
    with pytest.raises(SingularError, match="consistent"):
        conversion_matrices(w0, a, b, convention="stored")
    assert conversion_matrices(w0, a, b).a.shape == (3, 1)  # auto: 'consistent'


@pytest.mark.parametrize("n", [9, 1024])
@pytest.mark.parametrize("wrong", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("name", ["W0", "A", "B"])
def test_public_function_refuses_what_is_not_finite(name: str, wrong: float, n: int) -> None:
    """Of an infinite W0 the conversions would be zeros, of an infinite A NaN."""
    given = {"W0": torch.eye(n), "A": torch.eye(n)[:2], "B": torch.eye(n)[:, :2].clone()}
    given[name][1, 1] = wrong
    with pytest.raises(LensError, match=f"^{name} holds NaN or infinite"):
        conversion_matrices(*given.values())


@pytest.mark.parametrize("n", [9, 1024])
def test_weights_of_a_module_are_taken_as_numbers(n: int) -> None:
    layer = torch.nn.Linear(n, n, bias=False)
    a, b = torch.nn.Parameter(torch.randn(2, n)), torch.nn.Parameter(torch.randn(n, 2))
    found = conversion_matrices(layer.weight, a, b)
    assert not found.b.requires_grad
    expected = conversion_matrices(layer.weight.data, a.data, b.data)
    assert torch.equal(found.b, expected.b)


@pytest.mark.parametrize("n", [9, 1024])
@pytest.mark.parametrize("power", [-70, 60])
def test_whatever_the_scale(n: int, power: int) -> None:
    """In float32 a fourth power of the one, and of the other's inverse, is not in range."""
    generator = torch.Generator().manual_seed(0)
    w0, a = torch.randn(n, n, generator=generator), torch.randn(2, n, generator=generator)
    found = conversion_matrices(torch.stack([w0 * 2.0**power, w0]), a.expand(2, -1, -1), a.mT.expand(2, -1, -1))  # fmt: skip
    assert torch.equal(found.b[0] * 2.0**power, found.b[1])
    expected = np.linalg.cond(w0.double().numpy())
    np.testing.assert_allclose(found.condition_number, expected, rtol=1e-9 if n == 9 else 0.03)
