import itertools
import math

import numpy as np
import pytest
import torch

from lora_lens.chance.derangements import deranged_moments


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("layers", [3, 4, 5, 7])
def test_moments_over_derangements_equal_those_of_all_of_them(layers: int) -> None:
    phi = torch.rand(layers, layers, dtype=torch.float64, generator=seeded(4))
    means = [
        np.mean([float(phi[l, m]) for l, m in enumerate(order)])
        for order in itertools.permutations(range(layers))
        if all(l != m for l, m in enumerate(order))
    ]
    assert tuple(deranged_moments(phi)) == pytest.approx((np.mean(means), np.std(means)), rel=1e-12)
    # What is the same for all other layers does not vary, whatever the matched ones are.
    flat = torch.full((layers, layers), 0.3, dtype=torch.float64).fill_diagonal_(1)
    assert tuple(deranged_moments(flat)) == pytest.approx((0.3, 0), abs=1e-15)


def test_moments_over_derangements_of_many_layers() -> None:
    """Second route: derangements drawn by rejection."""
    phi = torch.rand(40, 40, dtype=torch.float64, generator=seeded(5))
    orders = torch.stack([torch.randperm(40, generator=seeded(k)) for k in range(20000)])
    orders = orders[(orders != torch.arange(40)).all(1)]
    means = phi[torch.arange(40), orders].mean(1)
    mean, sd = deranged_moments(phi)
    assert abs(float(means.mean()) - mean) < 4 * sd / math.sqrt(len(means))
    assert float(means.std()) == pytest.approx(sd, rel=0.03)
