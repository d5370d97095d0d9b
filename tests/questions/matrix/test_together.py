"""Adapters whose layers lie alike are beyond unrelated subspaces no oftener than others."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from layers_alike import alike_layers, one_a
from made_runs import write_adapter

import lora_lens as ll
from lora_lens.core.similarity.layers_together import LayersTogether, most_groups
from lora_lens.core.similarity.pairwise import phi_of_every_pair
from lora_lens.questions.matrix.chance import p_values, scatter_of_pairs, unrelated
from lora_lens.questions.matrix.words import told_pair

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


def test_layers_that_go_together_a_little_are_not_taken_as_independent() -> None:
    """With 1.1 times the scatter, the smallest p of 300 such pairs was too small in 13 and 14 of 100 null sets."""
    generator = torch.Generator().manual_seed(0)
    a_little = [alike_layers(LAYERS, 48, 2, 0.36, generator).numpy() for _ in range(12)]
    scatter = scatter_of_pairs([LayersTogether.of(list(one)) for one in a_little])
    above = scatter[np.triu_indices(12, 1)]
    assert 1.04 < above.mean() < 1.12
    assert (above > 1).mean() > 0.8
    apart = [alike_layers(LAYERS, 48, 2, 0.0, generator).numpy() for _ in range(12)]
    scatter = scatter_of_pairs([LayersTogether.of(list(one)) for one in apart])
    assert (scatter == 1).mean() > 0.9


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
    assert "where only a few of their directions are common" in note
    b = ll.adapter_matrix(runs, "value", matrix="B", draws=20)
    assert (b.scatter == 1).all()
    assert not any("lie alike" in one for one in b.notes)


def test_few_layers_that_go_together_among_many_that_hardly_vary() -> None:
    """As many groups as layers over the scatter's square would have these few in groups of their own."""
    sd = np.array([1.0] * 4 + [0.1] * 8)
    alike = np.eye(12)
    alike[:4, :4] = 1
    scatter = (sd @ alike @ sd / (sd @ sd)) ** 0.5
    assert int(12 / scatter**2) == 3
    (count,) = most_groups(sd, np.array([scatter])).tolist()
    groups = np.equal.outer(np.arange(12) % count, np.arange(12) % count)
    assert sd @ groups @ sd >= sd @ alike @ sd
    assert most_groups(np.zeros(5), np.ones((2, 2))).tolist() == [[1, 1], [1, 1]]  # of whole spaces


def test_the_pair_that_is_told_is_the_one_that_was_found(tmp_path: Path) -> None:
    """Of high ranks, or with layers alike, a higher φ may be less beyond chance than a lower one."""
    generator = np.random.default_rng(0)
    line = generator.standard_normal((2, 2, 24))
    for k, rank in enumerate((12, 12, 2, 2)):

        def factors(seed: int, layer: int, _: str, rank: int = rank) -> tuple[np.ndarray, ...]:
            own = np.random.default_rng([seed, layer]).standard_normal((2, rank, 24))
            if rank == 2:
                own[1] += 1.2 * line[layer]
            return own[0], own[1].T

        write_adapter(tmp_path / f"{'big' if rank > 2 else 'small'}{k}", factors, seed=k, rank=rank)
    result = ll.adapter_matrix([tmp_path], "value", matrix="B", draws=999)
    names = [result.names[k] for k in told_pair(result)]
    assert names == ["small2", "small3"]
    assert [result.names[k] for k in result.closest(1)[0]] == names
    pairs = result.pairs()
    highest = result.values[pairs].argmax()
    assert [result.names[side[highest]] for side in pairs] != names
    assert "the closest small2 and small3" in result.summary
    told = result.to_dict()["beside_unrelated"]
    one, other = told_pair(result)
    assert told["value"] == result.values[one, other]
    assert told["p"] == result.p_bh[one, other]


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


def test_a_space_of_all_is_in_no_closest_pair(tmp_path: Path) -> None:
    """In it everything lies, by chance: nothing can be said of it."""
    for k, rank in enumerate((24, 2, 2, 2)):

        def factors(seed: int, layer: int, _: str, rank: int = rank) -> tuple[np.ndarray, ...]:
            own = np.random.default_rng([seed, layer]).standard_normal((2, rank, 24))
            return own[0], own[1].T

        write_adapter(tmp_path / f"{k}", factors, seed=k, rank=rank)
    result = ll.adapter_matrix([tmp_path], "value", matrix="B", draws=99, clusters=1)
    assert all(0 not in pair for pair in result.closest(3))
    inside = result.excess[1:, 1:][np.triu_indices(3, k=1)]
    assert result.within() == pytest.approx(inside.mean())
