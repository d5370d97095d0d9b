"""Of a product with an identity in it, as of what was trained in full, singular values are those of any other."""

from functools import partial

import numpy as np
import pytest
import torch
from checkpoints import random

from lora_lens.adapter import LayerFactors, ModuleFactors
from lora_lens.subspaces.delta import delta_singular
from lora_lens.subspaces.device import select_device
from lora_lens.subspaces.spectra import layer_values


def both(a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return a, b


def of(b: torch.Tensor, a: torch.Tensor) -> tuple[np.ndarray, torch.Tensor]:
    """Singular values alone, and ΔW made of its singular vectors."""
    rank = len(a)
    layer = LayerFactors("v", 0, "v", rank, len(b), a.shape[1], 2.0, None, partial(both, a, b))
    stacked = ModuleFactors(
        "v", "*.v", (0,), ("0.v",), a[None], b[None], torch.tensor([2.0]), (rank,)
    )
    delta = delta_singular(stacked, 0, select_device("cpu", "float64"))
    values = layer_values([layer])
    np.testing.assert_allclose(values, delta.s.numpy(), rtol=1e-12)
    return values, (delta.u * delta.s) @ delta.vh


@pytest.mark.parametrize("rows", [5, 7, 9])
@pytest.mark.parametrize("rank", [0, 3, 5])
@pytest.mark.parametrize("size", [1e-12, 1.0, 1e12])
def test_an_identity_is_as_any_rotation(rows: int, rank: int, size: float) -> None:
    dense = size * random(rows, 7, seed=1)
    if rank < 5:
        dense = size * random(rows, rank, seed=2) @ random(rank, 7, seed=3)
    least = min(rows, 7)
    one = torch.eye(least)
    turn = torch.linalg.qr(random(least, least, seed=4).double()).Q
    b, a = (dense, one) if rows >= 7 else (one, dense)
    turned = of(b.double() @ turn, turn.mT @ a.double())
    found = of(b, a)
    assert len(found[0]) == (least if rank == 5 else rank)
    np.testing.assert_allclose(found[0], turned[0][: len(found[0])], rtol=1e-6)
    np.testing.assert_allclose(found[1], 2 * dense.double(), rtol=1e-6, atol=1e-6 * size)
