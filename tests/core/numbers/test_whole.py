"""A truth value is no count, though Python takes True for 1."""

import numpy as np
import pytest

import lora_lens as ll
from lora_lens.core.numbers.whole import whole, whole_numbers
from lora_lens.errors import LensError


@pytest.mark.parametrize("value", [True, np.True_, 2.0, "2", None])
def test_what_is_no_whole_number_is_refused(value: object) -> None:
    with pytest.raises(LensError, match="rank is .*; expected a whole number"):
        whole(value, "rank")
    with pytest.raises(LensError, match="ks is .*; expected whole numbers"):
        whole_numbers([1, value], "ks")


def test_phi_takes_no_truth_value() -> None:
    x = np.eye(4)[:, :2]
    with pytest.raises(LensError, match="expected a whole number"):
        ll.phi(x, x, True)
    assert ll.phi(x, x, 2) == 1
