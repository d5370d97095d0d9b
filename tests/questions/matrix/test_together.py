"""Adapters whose layers lie alike are beyond unrelated subspaces no oftener than others."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from layers_alike import alike_layers, one_a

import lora_lens as ll
from lora_lens.core.layers_together import LayersTogether
from lora_lens.core.pairwise import phi_of_every_pair
from lora_lens.questions.matrix.chance import p_values, scatter_of_pairs, unrelated

LAYERS, D, PAIRS = 12, 32, 100


@pytest.mark.parametrize(("common", "ranks"), [(0.4, (4, 4)), (0.7, (1, 3)), (1.0, (4, 4))])
def test_unrelated_pairs_are_rejected_at_the_level(common: float, ranks: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(int(10 * common))
    widths = np.array([[rank] * LAYERS for rank in ranks])
    mean, sd = unrelated(D, widths)
    small, z = 0, []
    for seed in range(PAIRS):
        pair = [alike_layers(LAYERS, D, rank, common, generator).numpy() for rank in ranks]
        by_layer = [phi_of_every_pair(list(layer)) for layer in zip(*pair, strict=True)]
        values = np.mean(by_layer, axis=0)
        scatter = scatter_of_pairs([LayersTogether.of(list(one)) for one in pair])
        p = p_values(values, D, widths, scatter, draws=39, seed=seed)
        small += p[0, 1] <= 0.05
        z.append((values - mean)[0, 1] / (sd * scatter)[0, 1])
    assert small <= 0.05 * PAIRS + 2.6 * (0.05 * 0.95 * PAIRS) ** 0.5
    assert np.std(z) == pytest.approx(1, abs=0.2)
    assert common < 0.7 or scatter[0, 1] > 1


def test_one_a_in_all_layers(tmp_path: Path) -> None:
    """Of other keys than each other's they are no closer than chance; of one key they are the same."""
    runs = [one_a(tmp_path / f"{k}", seed=k) for k in range(6)]
    result = ll.adapter_matrix(runs, "value", matrix="A", draws=400)
    pairs = result.pairs()
    assert result.scatter[pairs] == pytest.approx(np.full(15, 6**0.5))
    assert (result.p_bh[pairs] > 0.05).all()
    assert len(set(result.clusters)) == 6
    (note,) = (one for one in result.notes if "lie alike" in one)
    assert note.startswith("layers lie alike in 0, 1, 2, 3 and 2 more, as where one matrix serves")
    assert "15 pairs would scatter up to 2.4 times as far" in note

    again = one_a(tmp_path / "again", seed=0)
    result = ll.adapter_matrix([*runs, again], "value", matrix="A", draws=400)
    assert [k for k, p in enumerate(result.p[6]) if p < 0.01] == [0]
    assert result.clusters[0] == result.clusters[6]
    b = ll.adapter_matrix(runs, "value", matrix="B", draws=20)
    assert (b.scatter == 1).all()
    assert not any("lie alike" in one for one in b.notes)


def test_layers_of_other_ranks_go_together_too() -> None:
    """Draws of two ranks are high together: their means scatter as one layer's do."""
    ranks = np.array([[2, 4, 2, 4], [4, 4, 4, 4]])
    values = np.linspace(0.05, 0.5, 40)
    scatter = np.array([[1.0, 2.0], [2.0, 1.0]])
    grids = (np.array([[1.0, value], [value, 1.0]]) for value in values)
    p = [p_values(grid, 32, ranks, scatter, draws=999, seed=0)[0, 1] for grid in grids]
    assert all(one >= other for one, other in pairwise(p))
    mean, sd = unrelated(32, ranks)
    at_two_sd = np.interp(mean[0, 1] + 4 * sd[0, 1], values, p)  # of four layers that are one
    assert 0.02 < at_two_sd < 0.06
