"""Factors made of other factors have the same numbers by NumPy as by torch."""

import numpy as np
import pytest
import torch
from checkpoints import random

from lora_lens.formats.factors.derived import columns_picked, columns_weighted
from lora_lens.updates import Factor

THETA = random(6, 5, seed=1)
WEIGHTS = [0.5, -1 / 3, 1e-20]


@pytest.fixture
def picked() -> Factor:
    matrix = Factor("theta", (6, 5), lambda: THETA, array=THETA.numpy)
    return columns_picked(matrix, [0, 2, 3])


def test_columns_are_weighted_in_float64_to_the_bit(picked: Factor) -> None:
    expected = THETA.double()[:, [0, 2, 3]] * torch.tensor(WEIGHTS, dtype=torch.float64)
    found = columns_weighted(picked, WEIGHTS)
    assert (found.name, found.shape) == ("theta", (6, 3))
    assert found.read().dtype == torch.float64
    assert torch.equal(found.read(), expected)
    assert found.read().stride() == expected.stride()
    array = found.array()
    assert isinstance(array, np.ndarray)
    np.testing.assert_array_equal(array, expected.numpy())


def test_picked_columns_stay_as_they_are(picked: Factor) -> None:
    assert picked.shape == (6, 3)
    assert torch.equal(picked.read(), THETA[:, [0, 2, 3]])
    np.testing.assert_array_equal(np.asarray(picked.array()), THETA[:, [0, 2, 3]].numpy())
