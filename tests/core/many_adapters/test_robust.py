"""Robust distances reject no more often than they say, and find what is far."""

import numpy as np
import pytest

from lora_lens.core.many_adapters.robust import least_far_z, robust_distances, robust_mean_distances


@pytest.mark.parametrize("n", [5, 8, 20, 100])
@pytest.mark.parametrize("level", [0.05, 0.01])
def test_gaussian_numbers_are_called_far_at_most_as_often_as_said(n: int, level: float) -> None:
    rng = np.random.default_rng([n])
    samples = 3000
    found = sum(
        (robust_distances(rng.standard_normal(n)).p.min() * n <= level) for _ in range(samples)
    )
    # Three deviations of a rate that is as said.
    assert found <= samples * level + 3 * np.sqrt(samples * level)


def test_of_many_numbers_the_rate_is_nearly_the_one_that_is_said() -> None:
    rng = np.random.default_rng(1)
    found = [robust_distances(rng.standard_normal(300)).p.min() * 300 <= 0.05 for _ in range(2000)]
    assert 0.03 < np.mean(found) < 0.065


def test_far_ones_are_found_and_hide_nobody() -> None:
    rng = np.random.default_rng(2)
    x = rng.standard_normal(60)
    x[[7, 21]] = 15, -14
    found = robust_distances(x)
    assert set(np.flatnonzero(found.p * 60 < 0.05)) == {7, 21}
    assert found.z[7] > 0 > found.z[21]


def test_z_is_by_median_and_mad_and_moves_with_nothing_else() -> None:
    x = np.array([1.0, 2.0, 3.0, 4.0, 100.0])
    np.testing.assert_allclose(robust_distances(x).z, (x - 3) / 1.482602218505602, rtol=1e-12)
    shifted = robust_distances(-2 * x + 5)
    np.testing.assert_allclose(shifted.z, -robust_distances(x).z)
    np.testing.assert_allclose(shifted.p, robust_distances(x).p)


def test_too_few_or_equal_numbers_have_no_distance() -> None:
    for x in ([1.0, 2.0, 3.0, 90.0], [1.0] * 5 + [2.0, 3.0]):
        found = robust_distances(np.array(x))
        assert np.isnan(found.z).all()
        assert np.isnan(found.p).all()


def test_a_far_number_hides_no_other_however_far_it_is() -> None:
    x = np.array([1.0, 1.2, 0.9, 1.1, 1.0, 0.8, 1.3, 1.1, 0.9, 9.0])
    x = np.append(x, 1e9)
    assert set(np.flatnonzero(robust_distances(x).p * len(x) < 0.05)) == {9, 10}


def test_a_deviation_that_is_rounding_is_nobodys() -> None:
    x = 1e-7 * np.random.default_rng(0).standard_normal(14)  # of log10 of norms that are 1
    assert np.isnan(robust_distances(x, rounding=1e-6).z).all()
    assert np.isfinite(robust_distances(10 * x, rounding=1e-7).z).all()


@pytest.mark.parametrize("wide", [6, 34])  # the minority has more places than most, or fewer
@pytest.mark.parametrize("correlation", [0.0, 0.5, 1.0])
def test_means_over_few_places_and_many_are_rarely_far(wide: int, correlation: float) -> None:
    """One learning rate moves a norm everywhere, so that a mean over many places may vary as one over few."""
    rng, samples, n = np.random.default_rng([wide, int(10 * correlation)]), 300, 40
    found = 0
    for _ in range(samples):
        x = np.sqrt(1 - correlation) * rng.standard_normal((n, 24))
        x += np.sqrt(correlation) * rng.standard_normal((n, 1))
        x[wide:, 2:] = np.nan
        found += np.nanmin(robust_mean_distances(x).p) * n <= 0.05
    assert found <= samples * 0.05 + 3 * np.sqrt(samples * 0.05)


def test_a_mean_is_beside_those_of_the_same_places() -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((30, 12))
    x[0] += 9
    x[1, 0] = np.nan  # nearly all places
    x[2:6, 2:] = np.nan
    x[6, 1:] = np.nan
    x[6, 0] = -9
    found = robust_mean_distances(x)
    assert set(np.flatnonzero(found.p * 30 < 0.05)) == {0, 6}
    assert np.isfinite(found.z).all()
    np.testing.assert_allclose(found.mean, np.nanmean(x, axis=1))
    alone = robust_mean_distances(np.where(np.arange(30)[:, None] < 4, x, np.nan))
    assert np.isnan(alone.z).all()  # four rows are too few
    assert np.isfinite(alone.mean[:4]).all()
    x[10:] = x[10] + 1e-10 * x[10:]  # most are one adapter
    assert np.isnan(robust_mean_distances(x).z[[0, 10]]).all()


def test_missing_numbers_are_passed_over() -> None:
    x = np.array([1.0, np.nan, 2.0, 3.0, 4.0, 5.0])
    found = robust_distances(x)
    assert np.isnan(found.z[1])
    np.testing.assert_allclose(found.z[[0, 2, 3, 4, 5]], robust_distances(x[~np.isnan(x)]).z)


@pytest.mark.parametrize("n", [5, 6, 30])
def test_the_least_far_z_is_where_p_meets_the_level(n: int) -> None:
    """By Holm's first step, whatever else is corrected with it."""
    x = np.random.default_rng(n).standard_normal(n - 1)
    for times, far in ((0.999, False), (1.001, True)):
        # An even number above all others moves neither median nor deviation much: solve for the one that has this z.
        least = times * least_far_z(n, 7 * n, 0.05)
        low, high = 0.0, 1e9
        for _ in range(200):
            middle = (low + high) / 2
            low, high = (middle, high) if robust_distances(np.append(x, middle)).z[-1] < least else (low, middle)  # fmt: skip
        found = robust_distances(np.append(x, high))
        assert (found.p[-1] * 7 * n <= 0.05) == far
    assert least_far_z(4, 16, 0.05) == np.inf


def test_means_of_two_kinds_of_numbers_are_compared_each_among_its_own() -> None:
    """Robust z of six vary more than those of forty, so that beside these they are far; columns of their own part them."""
    rng, samples = np.random.default_rng(4), 300
    found = {"together": 0, "apart": 0}
    for _ in range(samples):
        z = np.full((46, 8), np.nan)
        for place in range(4):
            for rows, column in ((slice(0, 40), place), (slice(40, 46), 4 + place)):
                own = rng.standard_normal(len(z[rows]))
                z[rows, column] = robust_distances(own).z
        together = np.where(np.isnan(z[:, :4]), z[:, 4:], z[:, :4])
        for name, x in (("together", together), ("apart", z)):
            found[name] += np.nanmin(robust_mean_distances(x).p) * 46 <= 0.05
    assert found["apart"] <= samples * 0.05 + 3 * np.sqrt(samples * 0.05)
    assert found["together"] > samples * 0.05 + 3 * np.sqrt(samples * 0.05)
