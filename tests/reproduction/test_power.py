"""How often TOST decides of two equal methods, against integrals over the other variable and simulations."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import integrate, stats

from lora_lens.reproduction.numbers.equivalence import (
    LEVEL,
    Difference,
    Errors,
    decides,
    smallest_margin,
    tost,
)
from lora_lens.reproduction.numbers.needed import needed
from lora_lens.reproduction.numbers.power import power_when_equal

DRAWS = 20_000
each_count = pytest.mark.parametrize("count", [2, 3, 5])
each_rows = pytest.mark.parametrize("rows", [0.0, 0.1, 0.4, 1.0, 3.0])


def decided(
    rng: np.random.Generator, rows: float, deviation: float, count: int, margin: float, truth=0.0
) -> NDArray[np.bool_]:
    """Whether TOST decides, by hand, for `DRAWS` sets of seeds and rows; the first fifty by `tost`, too."""
    each = (
        truth
        + rng.normal(scale=rows, size=(DRAWS, 1))
        + rng.normal(scale=deviation, size=(DRAWS, count))
    )
    mean, error = each.mean(1), each.std(1, ddof=1) / math.sqrt(count)
    z, t = stats.norm.ppf(1 - LEVEL), stats.t.ppf(1 - LEVEL, count - 1)
    found = np.abs(mean) + np.hypot(z * rows, t * error) <= margin
    for one, mine, all_known in zip(mean[:50], error[:50], found[:50], strict=True):
        assert (tost(one, Errors(rows, float(mine), count), margin) <= LEVEL) == all_known
    return found


def bounds(share: float) -> tuple[float, float]:
    """Of so many draws' share, exact, 1 in 10,000 beyond on either side."""
    low, high = stats.binom.ppf([1e-4, 1 - 1e-4], DRAWS, share) / DRAWS
    return float(low), float(high)


@each_count
@each_rows
def test_the_smallest_margin_is_decided_in_eighty_of_a_hundred(count: int, rows: float) -> None:
    """As the test is really made, the seeds' error estimated anew in each draw."""
    margin = smallest_margin(Errors(rows, 1.0, count))
    found = decided(np.random.default_rng(count), rows, math.sqrt(count), count, margin)
    low, high = bounds(0.8)
    assert low <= found.mean() <= high


@each_count
@each_rows
def test_beyond_the_margin_tost_says_equivalent_in_five_of_a_hundred_at_most(
    count: int, rows: float
) -> None:
    margin = smallest_margin(Errors(rows, 1.0, count))
    for within in (0.5 * margin, margin, 3 * margin):
        found = decided(
            np.random.default_rng(count), rows, math.sqrt(count), count, within, truth=within
        )
        assert found.mean() <= bounds(0.05)[1]


@pytest.mark.parametrize("margin", [1.0, 6.0, 8.5, 20.0])
def test_two_seeds_without_error_by_rows(margin: float) -> None:
    """Half the seeds' sum and difference are two independent Gaussians: |Z| + 6.31 |Z'| ≤ m, over Z'."""
    t = math.tan(0.45 * math.pi)  # Cauchy's quantile
    by_hand, _ = integrate.quad(
        lambda z: (2 * stats.norm.cdf(margin - t * z) - 1) * 2 * stats.norm.pdf(z), 0, margin / t
    )
    found = power_when_equal(margin, rows=0.0, seeds=1.0, count=2, level=0.05)
    assert found == pytest.approx(by_hand, abs=1e-9)


@pytest.mark.parametrize(("count", "within"), [(2, 1e-9), (5, 1e-9), (30, 1e-7), (1000, 1e-5)])
@pytest.mark.parametrize("rows", [0.0, 1e-3, 0.5, 10.0])
def test_as_the_integral_over_the_estimate(count: int, within: float, rows: float) -> None:
    """Over χ, given which the mean difference alone is random."""
    free, level = count - 1, 0.05
    z, t = stats.norm.isf(level), stats.t.isf(level, free)
    for margin in np.hypot(z * rows, t) * np.array([0.9, 1.1, 2.0]) + 1.28 * math.hypot(rows, 1):

        def given(chi: float, margin: float = margin) -> float:
            room = margin - math.hypot(z * rows, t * chi / math.sqrt(free))
            both = math.hypot(rows, 1)
            return max(0.0, 2 * stats.norm.cdf(room / both) - 1) * stats.chi.pdf(chi, free)

        top = math.sqrt(free * (margin**2 - (z * rows) ** 2)) / t
        by_hand, _ = integrate.quad(given, 0, min(top, stats.chi.isf(1e-14, free)), limit=200)
        found = power_when_equal(margin, rows=rows, seeds=1.0, count=count, level=level)
        assert found == pytest.approx(by_hand, abs=within)


def test_no_room_no_error_and_one_seed() -> None:
    assert decides(Errors(1.0, 0.1, 2), 1.6) == 0.0  # z.95 is 1.645
    assert decides(Errors(0.0, 0.0, 2), 0.01) == 1.0
    assert decides(Errors(0.1, 0.0, 1), 100.0) == 0.0
    assert smallest_margin(Errors(0.0, 0.0, 2)) == 0.0
    # Far within, the Gaussian of D is not lost between the nodes.
    assert decides(Errors(1e-6, 1e-6, 5), 1.0) == pytest.approx(1.0, abs=1e-9)


def test_of_many_seeds_the_margin_is_that_of_known_errors() -> None:
    errors = Errors(0.003, 0.004, 1000)
    known = errors.half_width(0.05) + stats.norm.ppf(0.9) * 0.005
    assert smallest_margin(errors) == pytest.approx(known, rel=1e-3)
    assert smallest_margin(errors) > known


@pytest.mark.parametrize(
    ("count", "known", "same"), [(2, 0.72, 0.77), (3, 0.73, 0.77), (5, 0.75, 0.78)]
)
def test_what_is_decided_of_other_margins(count: int, known: float, same: float) -> None:
    """Of one that takes the error for known; and of its own, reckoned from the seeds that are then asked."""
    errors = Errors(0.0, 1.0, count)
    half = errors.half_width(LEVEL)
    assert round(decides(errors, half + stats.norm.ppf(0.9)), 2) == known
    # D over its own estimated error is Student's.
    beyond = 2 * stats.t.sf(smallest_margin(errors) - half, count - 1)
    assert round(1 - beyond, 2) == same


@each_count
def test_where_the_seeds_vary_by_the_rows_too_it_is_decided_no_less_often(count: int) -> None:
    """The part of the rows' error that seeds do not share counts twice."""
    rng, shared, own, alone = np.random.default_rng(0), 0.5, 1.0, 0.3
    each = rng.normal(scale=shared, size=(DRAWS, 1)) + rng.normal(
        scale=math.hypot(own, alone), size=(DRAWS, count)
    )
    rows = math.sqrt(shared**2 + own**2 / count)
    z, t = stats.norm.ppf(1 - LEVEL), stats.t.ppf(1 - LEVEL, count - 1)
    margin = smallest_margin(Errors(rows, math.hypot(own, alone) / math.sqrt(count), count))
    width = np.hypot(z * rows, t * each.std(1, ddof=1) / math.sqrt(count))
    assert (np.abs(each.mean(1)) + width <= margin).mean() >= bounds(0.8)[0]


@pytest.mark.parametrize("rows", [1e-4, 0.002, 0.003])
@pytest.mark.parametrize("deviation", [0.004, 0.012])
def test_so_many_seeds_decide_and_one_less_does_not(rows: float, deviation: float) -> None:
    two = (-deviation / math.sqrt(2), deviation / math.sqrt(2))
    found = Difference("condlora", "lora", (0, 1), two, 1500, np.full((2, 2), rows**2), (-1.0, 1.0))
    takes = needed(found, 0.01).seeds
    assert takes is not None
    by_one = (
        n
        for n in range(2, 1000)
        if smallest_margin(Errors(rows, deviation / math.sqrt(n), n)) <= 0.01
    )
    assert takes == next(by_one)
    low, high = bounds(0.8)
    rng = np.random.default_rng(0)
    assert decided(rng, rows, deviation, takes, 0.01).mean() >= low
    if takes > 2:
        assert decided(rng, rows, deviation, takes - 1, 0.01).mean() <= high
