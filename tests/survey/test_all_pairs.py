"""What is kept of all pairs: each thing by itself, whichever way the pairs are cut."""

import numpy as np
import pytest

from lora_lens.core.many_adapters.clustering import cluster
from lora_lens.core.similarity.phi_by_chance import closest_by_chance
from lora_lens.survey.all_pairs import kinds, tree
from lora_lens.survey.all_pairs.closest import Closest
from lora_lens.survey.all_pairs.kinds import Kinds
from lora_lens.survey.all_pairs.nearest import Nearest
from lora_lens.survey.all_pairs.of_place import OfPlace
from lora_lens.survey.all_pairs.tiles import tiles
from lora_lens.survey.all_pairs.tree import Clustered, Tree

PARTS = [range(21), range(21, 30), range(30, 66)]
ONE, OTHER = np.triu_indices(12, 1)


def test_the_closest_are_the_same_in_parts() -> None:
    z = np.random.default_rng(0).standard_normal(66)
    z[5] = np.nan
    found = Closest()
    for part in PARTS:
        found.add(ONE[part], OTHER[part], z[part] / 10, z[part])
    names = {k: str(k) for k in range(12)}
    best = np.argsort(np.where(np.isnan(z), np.inf, -z))[:10]
    assert found.found(names) == [(str(ONE[k]), str(OTHER[k]), z[k] / 10, z[k]) for k in best]


def test_the_nearest_of_each_is_the_same_in_parts() -> None:
    z = np.random.default_rng(1).standard_normal(66)
    z[ONE == 7], z[OTHER == 7] = np.nan, np.nan
    whole = np.full((12, 12), -np.inf)
    whole[ONE, OTHER] = whole[OTHER, ONE] = np.nan_to_num(z, nan=-np.inf)
    found = Nearest(12)
    for part in PARTS:
        found.add(ONE[part], OTHER[part], z[part])
    assert found.of[7] == -1
    others = np.arange(12) != 7
    np.testing.assert_array_equal(found.of[others], whole.argmax(1)[others])
    np.testing.assert_array_equal(found.z[others], whole.max(1)[others])


def test_the_closest_by_chance_is_of_all_parts() -> None:
    mean, sd, least = np.full(66, 0.1), np.where(ONE < 3, 0.02, 0.03), np.zeros(66)
    found = Kinds()
    for part in PARTS:
        found.add(mean[part], sd[part], least[part])
    moments = np.full(2, 0.1), np.array([0.02, 0.03])
    count = np.array([(sd == one).sum() for one in moments[1]])
    assert found.closest_by_chance() == pytest.approx(
        closest_by_chance(*moments, count, np.zeros(2))
    )


def test_of_too_many_kinds_or_unknown_ones_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "_MOST_KINDS", 2)
    many, unknown = Kinds(), Kinds()
    for part in np.arange(6.0).reshape(2, 3):
        many.add(part, part + 1, np.zeros(3))
    unknown.add(np.array([np.nan]), np.array([0.1]), np.zeros(1))
    assert Kinds().closest_by_chance() is None
    assert many.closest_by_chance() is None
    assert unknown.closest_by_chance() is None


def test_a_tree_of_parts_leaves_out_who_has_holes() -> None:
    """Adapters 0 to 4 and 5 to 10 are two families; 11 shares a place with the first alone."""
    phi = np.where((ONE < 5) == (OTHER < 5), 0.9, 0.1)
    phi[(OTHER == 11) & (ONE > 0)] = np.nan
    there = np.isfinite(phi)
    found = Tree(12, "A")
    for part in PARTS:
        at = np.array(part)[there[part]]
        moments = np.full(len(at), 0.1), np.full(len(at), 0.02), np.zeros(len(at))
        found.add(ONE[at], OTHER[at], phi[at], *moments)
    clustered = found.found()
    assert clustered.adapters == tuple(range(11))
    assert clustered.outside == (11,)
    assert len(set(clustered.clusters[:5])) == len(set(clustered.clusters[5:])) == 1
    assert len(set(clustered.clusters)) == 2
    assert clustered.notes == (
        "clusters of A are of 11 of 12 adapters: the others share no place with some of these",
    )


def test_a_tree_is_that_of_moments_that_differ_late() -> None:
    """Of one number for all pairs a grid is made when the first differs: in whichever part that is."""
    phi = np.where((ONE < 5) == (OTHER < 5), 0.3, 0.1)
    mean = np.where(ONE >= 5, 0.29, 0.1)
    whole = np.ones((12, 12)), *np.full((2, 12, 12), [[[0.1]], [[0.01]]])
    for grid, numbers in zip(whole, (phi, mean), strict=False):
        grid[ONE, OTHER] = grid[OTHER, ONE] = numbers.astype(np.float32)
    for parts in (PARTS, PARTS[::-1], [range(66)]):
        found = Tree(12, "A")
        for part in map(np.array, parts):
            found.add(
                ONE[part],
                OTHER[part],
                phi[part],
                mean[part],
                *np.full((2, len(part)), [[0.01], [0]]),
            )
        assert found.found().clusters == cluster(*whole).clusters
    same = cluster(whole[0], 0.1, 0.01).clusters
    assert same != cluster(*whole).clusters  # which it hangs on


def test_of_too_many_adapters_there_is_no_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "_MOST_CLUSTERED", 11)
    found = Tree(12, "B")
    found.add(ONE, OTHER, *np.ones((4, 66)))
    assert found.found() == Clustered(
        notes=("no clusters of B: a tree is made of at most 11 adapters, and these are 12",)
    )


def test_means_of_a_place_are_of_its_pairs() -> None:
    phi = np.random.default_rng(1).uniform(size=66)
    found = OfPlace(20, ("gaussian", "start"))
    for part in PARTS:
        own = {"phi": phi[part], "gaussian_mean": np.full(len(part), 0.1)}
        found.add(ONE[part], OTHER[part], own | {"gaussian_sd": np.full(len(part), 0.02)})
    row = found.row()
    assert (row["adapters"], row["pairs"], row["start_mean"]) == (12, 66, None)
    assert row["phi"] == pytest.approx(phi.mean())
    assert row["gaussian_sd"] == pytest.approx(0.02 / np.sqrt(66))
    assert row["gaussian_z"] == pytest.approx((phi.mean() - 0.1) / (0.02 / np.sqrt(66)))


def test_tiles_have_every_pair_once() -> None:
    every = [(i, j) for one, other in tiles(600) for i in one for j in other if i < j]
    assert len(every) == len(set(every)) == 600 * 599 // 2
