import numpy as np
import pytest
import torch

from lora_lens.core.precision import exponents, of_order_one, singular_cutoff


def test_cutoff_is_that_of_the_shorter_of_storage_and_computation() -> None:
    eps32 = float(np.finfo(np.float32).eps)
    assert singular_cutoff(torch.float64, torch.float64, (30, 40)) == 40 * np.finfo(np.float64).eps
    for stored, computing in ((torch.float64, torch.float32), (torch.bfloat16, torch.float64)):
        assert singular_cutoff(stored, computing, (30, 40)) == eps32


@pytest.mark.parametrize("largest", [3.4e38, 1e20, 1.0, 1e-20, 1e-44])
def test_of_order_one_is_exact_and_of_order_one(largest: float) -> None:
    x = torch.tensor([[1.0, -0.5], [0.25, 0.0]]) * largest
    found = of_order_one(torch.stack([x, torch.zeros_like(x)]))
    assert torch.isfinite(found).all()
    e = exponents(x)
    assert torch.equal(torch.ldexp(found[0].double(), e), x.double())
    if largest != 1:
        assert 0.5 <= found[0].abs().max() < 1


def test_what_is_modest_is_given_back_as_it_is() -> None:
    x = torch.tensor([[1e-4, 3.0]])
    assert of_order_one(x) is x
