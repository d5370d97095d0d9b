"""p_max of a null whose moments have a closed form: of cells of one law the larger φ never has the larger p."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints import BertLike, write_lora

from lora_lens import compare, conversion_similarity, demo_adapter, load_adapter, rank_grids
from lora_lens.chance.baseline import Baseline
from lora_lens.chance.gaussian import gaussian_grids
from lora_lens.chance.gaussian_moments import gaussian_baseline, mean_off_diagonal_sd
from lora_lens.chance.significance import significance


def rises(phi: np.ndarray, p: np.ndarray) -> list[tuple[float, float]]:
    """φ that have a larger p than the next smaller φ has."""
    order = np.argsort(phi, kind="stable")
    return [
        (float(phi[here]), float(p[here])) for below, here in pairwise(order) if p[here] > p[below]
    ]


@pytest.mark.parametrize("draws", [19, 100])
@pytest.mark.parametrize(("d", "i"), [(12, 1), (24, 3), (384, 8)])
def test_a_larger_phi_of_one_law_never_has_a_larger_p_max(d: int, i: int, draws: int) -> None:
    layers = 5
    off = ~np.eye(layers, dtype=bool)
    mean, sd = gaussian_baseline(d, i)
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        phi, *null = gaussian_grids(d, layers, i, draws=draws + 1, generator=generator).numpy()
        baseline = Baseline(
            mean, sd, mean_off_diagonal_sd(d, layers, i), draws, np.stack(null), closed=True
        )
        found = significance(phi, baseline, off, symmetric=True)
        assert rises(phi[off], found.p_max[off]) == []
        # Second route: of one law the largest z of a draw is that of its largest φ.
        highest = np.stack(null)[:, off].max(1)
        expected = [(1 + (highest >= one).sum()) / (draws + 1) for one in phi[off]]
        np.testing.assert_allclose(found.p_max[off], expected)


def test_every_question_beside_the_gaussian_null_takes_its_closed_moments(tmp_path: Path) -> None:
    shape = BertLike(layers=6, width=24, rank=3)
    for name, seed in (("one", 1), ("other", 2)):
        write_lora(tmp_path / name, shape, seed=seed)
    one, other = (load_adapter(tmp_path / name) for name in ("one", "other"))
    for seed in range(8):
        for series in compare(one, other, "value", draws=39, seed=seed).values():
            tests = series.tests["gaussian"]
            assert rises(np.asarray(series.values), tests.p_max) == []
        grids = rank_grids(one, other, "value", draws=39, seed=seed)
        for matrix, side in grids.kinds:
            phi = np.array([grid.values[-1, -1] for grid in grids.of(matrix, side)])
            assert rises(phi, grids.significance[matrix, side].p_max) == []


def test_p_max_of_the_demos_conversions_falls_with_phi() -> None:
    """Each cell by the moments of its own 400 draws had .040 for φ of .0198, and .077 for .0201.

    200,000 draws of another seed give .0872 and .0781, whose errors are .0006; those of 400 are .014.
    """
    found = conversion_similarity(
        load_adapter(demo_adapter("lora")),
        module="value",
        rank=3,
        draws=400,
        nulls=["gaussian"],
        seed=0,
    )["A"]
    phi, p = found.values, found.significance["gaussian"].p_max
    assert phi[0, 5] < phi[3, 4]
    assert [p[0, 5], p[3, 4]] == pytest.approx([0.085, 0.077], abs=0.003)
    pairs = np.triu_indices(len(phi), 1)
    assert rises(phi[pairs], p[pairs]) == []
