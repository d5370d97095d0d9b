import numpy as np
import pytest
import torch

from lora_lens.core.spectra.spectrum import effective_rank, stable_rank


def test_known_ranks() -> None:
    s = torch.tensor([[1.0, 1, 1, 1], [5, 0, 0, 0], [2, 1, 0, 0]], dtype=torch.float64)
    torch.testing.assert_close(stable_rank(s), torch.tensor([4.0, 1, 1.25], dtype=torch.float64))
    of_s_not_of_s_squared = np.exp(-(2 / 3 * np.log(2 / 3) + 1 / 3 * np.log(1 / 3)))
    assert effective_rank(s)[0] == pytest.approx(4)
    assert effective_rank(s)[1] == pytest.approx(1)
    assert effective_rank(s)[2] == pytest.approx(of_s_not_of_s_squared)


def test_numpys_arrays_have_the_same_ranks() -> None:
    s = np.array([[1.0, 1, 1, 1], [5, 0, 0, 0], [2, 1, 0, 0], [0, 0, 0, 0]])
    for rank in (stable_rank, effective_rank):
        np.testing.assert_allclose(rank(s), rank(torch.from_numpy(s)), rtol=1e-14)
        assert np.isnan(rank(s)[3])
