"""How far φ of unrelated subspaces reaches, against draws of them."""

import numpy as np
import pytest

import lora_lens as ll
from lora_lens.core.similarity.phi_by_chance import above_by_chance, closest_by_chance, in_common


def unrelated(n: int, d: int, r: int, seed: list[int]) -> np.ndarray:
    """φ between n uniform subspaces."""
    drawn = np.random.default_rng(seed).standard_normal((n, d, r))
    basis = np.linalg.qr(drawn)[0].swapaxes(0, 1).reshape(d, n * r)
    return ((basis.T @ basis) ** 2).reshape(n, r, n, r).sum((1, 3)) / r


def test_no_pair_is_closer_than_equal_ones() -> None:
    """Where chance is half of 1, φ of 1 is some 1.6 deviations above it."""
    mean, sd = np.array([0.5]), np.array([0.32])
    assert closest_by_chance(mean, sd, np.array([1000]), np.zeros(1)) == pytest.approx(0.5 / 0.32)
    # A kind of pair that can be farther goes on: of a million lines in R^100, beside one such pair.
    lines = closest_by_chance(
        np.array([0.01]), np.array([0.01 * 2**0.5]), np.array([10**6]), np.zeros(1)
    )
    both = np.append(mean, 0.01), np.append(sd, 0.01 * 2**0.5), np.array([1, 10**6]), np.zeros(2)
    assert closest_by_chance(*both) == pytest.approx(lines, rel=1e-6)
    assert lines > 10


@pytest.mark.parametrize(
    ("d", "i", "j"),
    [
        (16, 1, 1), (64, 2, 2), (64, 8, 8), (36, 18, 18), (16, 14, 14), (16, 15, 15), (36, 34, 34), (8, 4, 4),
        (32, 2, 30), (64, 8, 56), (64, 4, 48), (16, 14, 10),
    ],
)  # fmt: skip
def test_unrelated_pairs_are_above_it_at_most_so_often(d: int, i: int, j: int) -> None:
    """Above half the width, too, where some of φ is there of necessity, or most."""
    chance = ll.gaussian_baseline(d, i, j)
    drawn = np.random.default_rng([d, i, j]).standard_normal((20_000, d, i))
    phi = (np.linalg.qr(drawn)[0][:, :j] ** 2).sum((1, 2)) / min(i, j)
    least = in_common(d, np.array([i]), np.array([j]))
    assert phi.min() >= least[0] - 1e-9
    for p in (1e-2, 1e-3):
        threshold = above_by_chance(np.array([chance.mean]), np.array([chance.sd]), p, least)
        above, expected = int((phi > threshold).sum()), len(phi) * p
        assert above <= expected + 3 * np.sqrt(expected)
        # And it is no bar that nothing passes, but of a plane in nearly all of the space, where φ leans to the left.
        assert p < 1e-2 or above > 0.2 * expected or (d, i, j) == (32, 2, 30)


@pytest.mark.parametrize("r", [1, 2, 4])
def test_the_closest_of_unrelated_pairs_is_as_far_as_is_told(r: int) -> None:
    """Of 15 lines, 105 pairs, the median of the largest z is 4.4, where a Gaussian's would be 2.5."""
    n, d = 15, 64
    chance = ll.gaussian_baseline(d, r, r)
    count = np.array([n * (n - 1) // 2])
    told = closest_by_chance(np.array([chance.mean]), np.array([chance.sd]), count, np.zeros(1))
    upper = np.triu_indices(n, 1)
    largest = [
        (unrelated(n, d, r, [seed, r])[upper].max() - chance.mean) / chance.sd
        for seed in range(300)
    ]
    assert told == pytest.approx(np.median(largest), abs=0.35)


def test_one_and_the_same_subspace_is_above_it_where_there_is_little_room() -> None:
    chance = ll.gaussian_baseline(4, 2, 2)
    threshold = above_by_chance(np.array([chance.mean]), np.array([chance.sd]), 1e-4)
    assert 0.99 < float(threshold[0]) < 1


def test_what_does_not_vary_is_its_mean() -> None:
    mean, sd = np.array([1.0, 0.3, 0.3, 0.3]), np.array([0.0, 0.0, np.inf, 0.1])
    found = above_by_chance(mean, sd, 0.01)
    assert found[:3].tolist() == mean[:3].tolist()
    assert found[3] > 0.5
    assert np.isnan(closest_by_chance(mean[:3], sd[:3], np.ones(3), np.zeros(3)))
