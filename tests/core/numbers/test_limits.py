import numpy as np
import pytest
import torch

from lora_lens import LensError
from lora_lens.core.numbers.limits import check_range


@pytest.mark.parametrize("value", [1e20, -1e20, 1e-25])
def test_out_of_range_is_an_error_that_names_the_tensor(value: float) -> None:
    x = torch.tensor([[value]], dtype=torch.float64)
    with pytest.raises(LensError, match=r"W0 of here .* float32; use the dtype float64"):
        check_range(x, torch.float32, "W0 of here")
    check_range(x, torch.float64, "W0 of here")
    check_range(x * 0, torch.float32, "W0 of here")
    with pytest.raises(LensError, match="scale the weights"):
        check_range(x * 1e200 if abs(value) > 1 else x * 1e-200, torch.float64, "W0")


def test_numpys_arrays_have_the_same_limits() -> None:
    x = np.array([[1e20, -3.0]])
    with pytest.raises(LensError, match=r"W0 of here .* float32; use the dtype float64"):
        check_range(x, np.dtype("float32"), "W0 of here")
    with pytest.raises(LensError, match="up to 1e\\+20"):
        check_range(-x, np.dtype("float32"), "W0 of here")
    check_range(x, x.dtype, "W0 of here")
    check_range(np.empty((0, 3)), x.dtype, "W0 of here")
