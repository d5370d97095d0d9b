import numpy as np
import pytest
import torch
from slow_routes import slow_conversions

from lora_lens import conversion_matrices
from lora_lens.errors import SingularError


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
