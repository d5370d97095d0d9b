import numpy as np
import pytest
import torch

from lora_lens.core.numbers.scaled import exponents, of_order_one


@pytest.mark.parametrize("largest", [3.4e38, 1e20, 1.0, 1e-20, 1e-44])
def test_of_order_one_is_exact_and_of_order_one(largest: float) -> None:
    x = torch.tensor([[1.0, -0.5], [0.25, 0.0]]) * largest
    stacked = torch.stack([x, torch.zeros_like(x)])
    found = of_order_one(stacked)
    assert torch.isfinite(found).all()
    e = exponents(x)
    assert torch.equal(torch.ldexp(found[0].double(), e), x.double())
    if largest != 1:
        assert 0.5 <= found[0].abs().max() < 1
    numpys = of_order_one(stacked.numpy())
    assert numpys.dtype == np.float32
    np.testing.assert_array_equal(numpys, found)
    assert exponents(stacked.numpy()).tolist() == exponents(stacked).tolist()


def test_what_is_modest_is_given_back_as_it_is() -> None:
    x = torch.tensor([[1e-4, 3.0]])
    assert of_order_one(x) is x
    assert of_order_one(numpys := x.numpy()) is numpys
