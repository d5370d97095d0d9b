"""How much layers go together, beside adapters that are turned as a whole."""

import numpy as np
import pytest
import torch
from layers_alike import alike_layers
from torch import Tensor

import lora_lens as ll
from lora_lens.core.similarity.layers_together import LayersTogether, scatter_of_mean


def scatter(u: list[Tensor], v: list[Tensor]) -> float:
    one, other = (LayersTogether.of(each) for each in (u, v))
    return float(scatter_of_mean(one, [other])[0])


@pytest.mark.parametrize("common", [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("ranks", [(4,) * 12, (2, 4, 6) * 4])
def test_the_scatter_is_that_of_adapters_turned_as_a_whole(
    common: float, ranks: tuple[int, ...]
) -> None:
    generator = torch.Generator().manual_seed(int(10 * common))
    d, r = 32, max(ranks)
    u, v = (alike_layers(12, d, r, common, generator) for _ in range(2))
    mine = [basis[:, :k] for basis, k in zip(u, ranks, strict=True)]
    kept = torch.tensor([[[k <= column] for column in range(r)] for k in ranks])
    padded = u.masked_fill(kept.mT, 0)
    turns = torch.linalg.qr(torch.randn(1000, 1, d, d, generator=generator, dtype=u.dtype)).Q
    held = (padded.mT @ (turns @ v)).square().sum((-2, -1))  # tr PQ, of each turn and layer
    drawn = (held / torch.tensor(ranks)).mean(-1).numpy()
    independent = sum(ll.gaussian_baseline(d, k, r).sd ** 2 for k in ranks) ** 0.5 / 12
    assert np.std(drawn) == pytest.approx(scatter(mine, list(v)) * independent, rel=0.08)


@pytest.mark.parametrize("common", [0.0, 0.7, 1.0])
def test_many_wide_layers_are_told_by_some_of_their_directions(common: float) -> None:
    generator = torch.Generator().manual_seed(int(10 * common))
    u, v = (list(alike_layers(32, 256, 32, common, generator)) for _ in range(2))
    exact = []
    for one in (u, v):
        projectors = torch.stack([basis @ basis.mT for basis in one]).flatten(1)
        exact.append((projectors @ projectors.mT - 32**2 / 256).numpy())
    both = exact[0] * exact[1]
    expected = np.sqrt(both.sum() / both.trace())
    assert scatter(u, v) == pytest.approx(expected, rel=0.05)
    assert scatter([one.numpy() for one in u], v) == pytest.approx(scatter(u, v), abs=1e-9)


def test_whole_spaces_do_not_scatter() -> None:
    generator = torch.Generator().manual_seed(0)
    u, v = (list(alike_layers(12, 8, 8, 0.0, generator)) for _ in range(2))
    assert scatter(u, v) == scatter(u, [basis[:, :2] for basis in v]) == 1


def test_each_layer_counts_by_the_smaller_of_its_dimensions() -> None:
    """Lines beside planes of four in R⁸: C is ((7/8, 1/2), (1/2, 2)), D 2 everywhere, k 1 and 4."""
    axes = np.eye(8)
    one, other = (LayersTogether.of([axes[:, :k], axes[:, :4]]) for k in (1, 4))
    assert scatter_of_mean(one, [other]) == pytest.approx([(1 + 2 * (1 / 4) / 2) ** 0.5])
