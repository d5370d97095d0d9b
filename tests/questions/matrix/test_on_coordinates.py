"""Unrelated adapters in which a few coordinates outweigh the rest are told apart from chance no oftener than others."""

from pathlib import Path

import numpy as np
import pytest
from made_runs import write_adapter

import lora_lens as ll
from lora_lens.questions.matrix.result import MatrixResult
from lora_lens.questions.matrix.words import beside_unrelated

SETS, ADAPTERS, RANK = 20, 5, 2


def adapter(folder: Path, seed: int, rows: int) -> Path:
    """Of A and B of which so many coordinates are nonzero, others in each layer."""

    def factors(seed: int, layer: int, _: str) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng([seed, layer])
        a, b = rng.standard_normal((RANK, 24)), rng.standard_normal((24, RANK))
        a[:, rng.permutation(24)[rows:]] = 0
        b[rng.permutation(24)[rows:]] = 0
        return a, b

    return write_adapter(folder, factors, seed=seed, rank=RANK, modules=["value"])


def results(folder: Path, rows: int, sets: int = SETS) -> list[MatrixResult]:
    found = []
    for k in range(sets):
        seeds = range(ADAPTERS * k, ADAPTERS * (k + 1))
        some = [adapter(folder / f"{seed}", seed, rows) for seed in seeds]
        found.append(ll.adapter_matrix(some, "value", draws=999, seed=k))
    return found


def test_sparse_factors_keep_the_level(tmp_path: Path) -> None:
    found = results(tmp_path, rows=4)
    tested = [beside_unrelated(one) for one in found]
    assert sum(one is not None and one.word == "more" for one in tested) <= 4
    assert sum(len(set(one.clusters)) < ADAPTERS for one in found) <= 2
    z = np.concatenate([one.z[one.pairs()] for one in found])
    assert np.std(z) == pytest.approx(1, abs=0.2)
    (note,) = (one for one in found[0].notes if "unevenly" in one)
    assert note.startswith("ΔW of ")
    assert "lie unevenly on the coordinates" in note
    assert f"the mean φ of 10 pairs would scatter up to {found[0].scatter.max():.1f} times" in note


def test_of_gaussian_factors_nothing_is_wider(tmp_path: Path) -> None:
    (one,) = results(tmp_path, rows=24, sets=1)
    assert (one.scatter < 1.1).all()
    assert not any("unevenly" in note for note in one.notes)


def test_the_same_few_coordinates_are_found_all_the_same(tmp_path: Path) -> None:
    """What one adapter was copied to is beyond chance, and in one cluster with it."""
    some = [adapter(tmp_path / f"{n}", seed, rows=4) for n, seed in enumerate((0, 1, 2, 0))]
    one = ll.adapter_matrix(some, "value", draws=999)
    assert one.p_bh[0, 3] <= 0.01
    assert one.clusters[0] == one.clusters[3]
    assert len(set(one.clusters)) == 3
