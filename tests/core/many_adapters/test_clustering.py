import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from lora_lens import gaussian_baseline
from lora_lens.core.many_adapters.clustering import cluster


def families(
    sizes: list[int], within: list[float], between: float, jitter: float = 0.0
) -> np.ndarray:
    """φ of families side by side."""
    label = np.repeat(np.arange(len(sizes)), sizes)
    values = np.where(label[:, None] == label, np.array(within)[label][:, None], between)
    noise = np.random.default_rng(0).uniform(-jitter, jitter, values.shape)
    values = values + (noise + noise.T) / 2
    np.fill_diagonal(values, 1)
    return values


def null(
    values: np.ndarray, mean: float = 0.02, sd: float = 0.001
) -> tuple[np.ndarray, np.ndarray]:
    return np.full_like(values, mean), np.full_like(values, sd)


def partition(labels: tuple[int, ...]) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(np.array(labels) == label).tolist()) for label in labels}


THREE = {frozenset({0, 1, 2}), frozenset({3, 4, 5, 6}), frozenset({7, 8})}


@pytest.mark.parametrize(("between", "cut"), [(0.02, "chance"), (0.3, "gap")])
def test_three_planted_families_are_told_apart(between: float, cut: str) -> None:
    values = families([3, 4, 2], [0.8, 0.8, 0.8], between, 0.02)
    found = cluster(values, *null(values, sd=0.004 + 0.02 * (between < 0.1)))
    assert partition(found.clusters) == THREE
    assert found.cut == cut
    assert cluster(values, *null(values), 4).cut == "given"
    assert [k for k, _ in groups(found.order, found.clusters)] == [1, 2, 3]


def groups(order: tuple[int, ...], clusters: tuple[int, ...]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for leaf in order:
        if not runs or runs[-1][0] != clusters[leaf]:
            runs.append((clusters[leaf], leaf))
    return runs


def test_families_of_very_different_tightness_against_chance() -> None:
    values = families([3, 4, 2], [0.9, 0.2, 0.5], 0.02, 0.005)
    assert partition(cluster(values, *null(values, sd=0.005)).clusters) == THREE


def test_what_is_at_chance_is_no_family() -> None:
    values = families([6], [0.02], 0.02, 0.002)
    assert cluster(values, *null(values)).clusters == tuple(
        np.argsort(cluster(values, *null(values)).order) + 1
    )


def test_where_chance_gives_1_its_rounding_is_no_family() -> None:
    values = families([4], [1 - 1e-8], 1.0)
    found = cluster(values, *null(values, mean=1 - 1e-7, sd=0.0))
    assert (found.cut, len(set(found.clusters))) == ("chance", 4)


def test_a_family_below_the_chance_of_others_is_found() -> None:
    """By φ alone it was joined to them, at chance."""
    values = families([3, 5], [0.2, 0.4], 0.4, 0.01)
    mean = np.where(values < 0.3, 0.02, 0.4)
    found = cluster(values, mean, np.full_like(values, 0.01))
    assert sorted(map(len, partition(found.clusters))) == [1, 1, 1, 1, 1, 3]
    excess = (values - mean) / (1 - mean)
    expected = hierarchy.linkage(squareform(1 - excess, checks=False), "average")
    np.testing.assert_allclose(found.linkage, expected, atol=1e-12)


def test_what_is_in_every_space_hides_no_family() -> None:
    """Of full rank, φ is 1 with all, by chance."""
    values = families([3, 2], [0.6, 1.0], 1.0, 0.0)
    mean = np.where(values < 1, 0.1, 1.0)
    found = cluster(values, mean, np.where(values < 1, 0.01, 0.0))
    assert sorted(map(len, partition(found.clusters))) == [1, 1, 3]


def test_two_that_are_the_same_are_one_family_in_any_space() -> None:
    """Where unrelated lines may be nearly the same, too."""
    values = families([2, 4], [1.0, 0.12], 0.12)
    chance = gaussian_baseline(8, 1, 1)
    found = cluster(values, *null(values, chance.mean, chance.sd))
    assert frozenset({0, 1}) in partition(found.clusters)


def test_a_merge_above_chance_is_kept_beside_one_that_is_not() -> None:
    """As of higher ranks, whose φ scatters less."""
    values = families([2, 2], [0.3, 0.2], 0.02)
    sd = np.full_like(values, 0.001)
    sd[:2, :2] = 0.2
    assert partition(cluster(values, np.full_like(values, 0.02), sd).clusters) == {
        frozenset({0}), frozenset({1}), frozenset({2, 3}),
    }  # fmt: skip


@pytest.mark.parametrize(("beside", "clusters"), [(0.999, 6), (1.001, 5)])
def test_the_level_is_of_all_pairs_together(beside: float, clusters: int) -> None:
    """φ of unrelated lines in R^100, nearly: a χ² of one degree of freedom over 100."""
    values = families([2, 4], [stats.chi2.isf(0.01 / 15, 1) / 100 * beside, 0.01], 0.01)
    values[2:, 2:] = np.where(np.eye(4), 1, 0.01)
    found = cluster(values, *null(values, 0.01, 0.01 * 2**0.5))
    assert len(set(found.clusters)) == clusters


def test_one_family_is_one_cluster() -> None:
    values = families([6], [0.9], 0.02, 0.02)
    assert set(cluster(values, *null(values)).clusters) == {1}


def test_tree_is_average_linkage_of_1_minus_phi() -> None:
    values = families([3, 4, 2], [0.8, 0.6, 0.7], 0.1, 0.05)
    found = cluster(values, *null(values))
    expected = hierarchy.linkage(squareform(1 - values), "average")
    np.testing.assert_allclose(found.linkage, expected, atol=1e-12)
    assert list(found.order) == hierarchy.leaves_list(expected).tolist()


@pytest.mark.parametrize("count", range(1, 10))
def test_as_many_as_asked_for_as_scipy_cuts(count: int) -> None:
    values = families([3, 4, 2], [0.8, 0.6, 0.7], 0.1, 0.05)
    found = cluster(values, *null(values), count)
    expected = hierarchy.cut_tree(found.linkage, count)[
        :, 0
    ]  # fcluster gave fewer before SciPy 1.14
    assert partition(found.clusters) == partition(tuple(expected))


def test_a_chain_of_thousands_does_not_recurse() -> None:
    n = 1500
    position = np.cumsum(0.5 ** np.minimum(np.arange(n), 40) + 1e-9 * np.arange(n))
    values = 1 - np.abs(position[:, None] - position) / 4
    assert len(cluster(values, *null(values)).order) == n


def test_two() -> None:
    for phi, clusters in ((0.5, {1}), (0.02, {1, 2})):
        values = np.array([[1, phi], [phi, 1]])
        assert set(cluster(values, *null(values)).clusters) == clusters


@pytest.mark.parametrize(
    ("n", "d", "r", "places"),
    [
        (30, 96, 2, 1),
        (8, 96, 1, 12),
        (30, 96, 4, 1),
        (12, 16, 15, 1),
        (12, 16, 14, 1),
        (12, 36, 34, 1),
    ],
)
def test_unrelated_subspaces_are_rarely_a_family(n: int, d: int, r: int, places: int) -> None:
    """φ of few dimensions leans to the right, and that of all but a few, too."""
    sets = 100
    chance = gaussian_baseline(d, r, r)
    found = 0
    for seed in range(sets):
        rng = np.random.default_rng([seed, n, r])
        values = np.zeros((n, n))
        for _ in range(places):
            basis = np.linalg.qr(rng.standard_normal((n, d, r)))[0].swapaxes(0, 1).reshape(d, n * r)
            overlap = (basis.T @ basis) ** 2
            values += overlap.reshape(n, r, n, r).sum((1, 3)) / r / places
        nulls = null(values, chance.mean, chance.sd / places**0.5)
        least = np.full((n, n), max(0, 2 * r - d) / r)
        found += len(set(cluster(values, *nulls, least=least).clusters)) < n
    assert found <= 4  # at a level of 1 %, five or more in 3 of 1,000


@pytest.mark.parametrize("several", [False, True])
def test_memory_is_some_numbers_a_pair(several: bool) -> None:
    """docs/survey.md says how many, for what else a survey holds does not grow like that."""
    n = 300
    values = families([n], [0.1], 0.1, 0.02)
    mean, sd = null(values)
    if several:
        mean[: n // 2, : n // 2] *= 2
    assert peak_of(lambda: cluster(values, mean, sd)) < 65 * n**2


def test_one_number_for_all_pairs_takes_no_memory_and_tells_the_same() -> None:
    """`Tree` holds φ alone while adapters have one rank, in float32."""
    n = 300
    values = families([n // 2, n // 2], [0.1, 0.3], 0.02, 0.02).astype(np.float32)
    few = {"mean": 0.02, "sd": 0.001, "least": 0.001}
    grids = {name: np.full(values.shape, number) for name, number in few.items()}
    for count in (None, 7):
        one, other = cluster(values, count=count, **few), cluster(values, count=count, **grids)
        np.testing.assert_array_equal(one.linkage, other.linkage)
        assert one[1:] == other[1:]
    assert (
        peak_of(lambda: cluster(values, **few))
        < 13 * n**2
        < peak_of(lambda: cluster(values, **grids))
    )


def peak_of(action: Callable[[], object]) -> int:
    tracemalloc.start()
    action()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak
