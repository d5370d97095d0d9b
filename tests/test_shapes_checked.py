"""What checks shapes in tests: it does, and it begins anew with each test."""

import pytest
import shapes_checked
import torch
from jaxtyping import TypeCheckError

from lora_lens.core.factors.triangle import triangle


@pytest.mark.parametrize("test", ["one", "the next"])
def test_a_wrong_shape_is_an_error_until_enough_has_been_checked(test: str) -> None:
    with pytest.raises(TypeCheckError, match="Float"):
        triangle(torch.ones(3))
    for _ in range(shapes_checked.MOST):
        triangle(torch.ones(3, 2))
    with pytest.raises(IndexError, match="out of range"):
        triangle(torch.ones(3))
    assert test
