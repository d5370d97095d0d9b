"""TOST, its interval and what can be decided, against closed forms and simulations."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lora_lens.reproduction.numbers.equivalence import (
    Difference,
    Errors,
    errors_of,
    interval,
    rows_only,
    smallest_margin,
    tost,
)
from lora_lens.reproduction.numbers.judged import judged
from lora_lens.reproduction.numbers.needed import needed

ROWS_ALONE = Errors(rows=0.004, seeds=0.0, count=2)
SEEDS_ALONE = Errors(rows=0.0, seeds=0.004, count=3)
sizes = st.floats(1e-4, 0.05)


def difference(each=(0.001, -0.003, 0.002), rows=1500, shared=4e-6, own=1e-6) -> Difference:
    covariance = np.full((len(each), len(each)), shared) + np.eye(len(each)) * own
    return Difference("condlora", "lora", tuple(range(len(each))), each, rows, covariance, (-0.005, 0.005))  # fmt: skip


@pytest.mark.parametrize("mean", [0.0, 0.003, -0.003, 0.0099, 0.01, 0.02, -0.05])
def test_tost_by_rows_alone_is_the_normal_one(mean: float) -> None:
    """max(P(Z ≥ (D + m)/e), P(Z ≤ (D − m)/e)), the two one-sided tests by hand."""
    low = stats.norm.sf((mean + 0.01) / 0.004)
    high = stats.norm.cdf((mean - 0.01) / 0.004)
    assert tost(mean, ROWS_ALONE, 0.01) == pytest.approx(max(low, high), abs=1e-9)


def test_tost_by_seeds_alone_is_students() -> None:
    """As two one-sided t tests of scipy over the seeds' differences."""
    each = np.array([0.001, -0.002, 0.0035])
    found = difference(tuple(each), shared=0.0, own=0.0)
    sides = [
        stats.ttest_1samp(each, -0.01, alternative="greater").pvalue,
        stats.ttest_1samp(each, 0.01, alternative="less").pvalue,
    ]
    assert tost(found.mean, errors_of(found), 0.01) == pytest.approx(max(sides), abs=1e-9)
    expected = stats.ttest_1samp(each, 0).confidence_interval(0.95)
    assert interval(found.mean, errors_of(found)) == pytest.approx((expected.low, expected.high))


@given(mean=st.floats(-0.05, 0.05), rows=sizes, seeds=sizes, margin=sizes)
def test_tost_at_five_percent_is_the_ninety_percent_interval_within_the_margin(
    mean: float, rows: float, seeds: float, margin: float
) -> None:
    errors = Errors(rows, seeds, 3)
    low, high = interval(mean, errors, 0.90)
    p = tost(mean, errors, margin)
    assert 0 <= p <= 1
    if abs(p - 0.05) > 1e-6:
        assert (p < 0.05) == (-margin < low and high < margin)


@given(rows=sizes, seeds=sizes)
def test_both_errors_are_never_less_than_one(rows: float, seeds: float) -> None:
    both = Errors(rows, seeds, 3).half_width(0.05)
    assert both >= Errors(rows, 0.0, 3).half_width(0.05)
    assert both >= Errors(0.0, seeds, 3).half_width(0.05)


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("seeds", [0.0, 0.3, 1.0, 4.0])
def test_the_interval_is_never_too_short(count: int, seeds: float) -> None:
    """Rows err by 1, seeds by `seeds` each: coverage at 90 % is at least 90 %, but for sampling error."""
    rng = np.random.default_rng(3)
    each = rng.normal(size=(4000, 1)) + seeds * rng.normal(size=(4000, count))
    errors = [Errors(1.0, s / math.sqrt(count), count) for s in each.std(1, ddof=1)]
    within = [
        abs(mean) <= one.half_width(0.05) for mean, one in zip(each.mean(1), errors, strict=True)
    ]
    assert np.mean(within) > 0.9 - 3 * math.sqrt(0.09 / 4000)


def test_the_smallest_margin_is_found_in_eighty_of_a_hundred() -> None:
    """Two equal methods, rows erring by 0.004: TOST within that margin, simulated."""
    margin = smallest_margin(ROWS_ALONE)
    assert margin / 0.004 == pytest.approx(stats.norm.ppf(0.95) + stats.norm.ppf(0.9))
    drawn = np.random.default_rng(0).normal(scale=0.004, size=4000)
    found = np.mean([tost(mean, ROWS_ALONE, margin) <= 0.05 for mean in drawn])
    assert found == pytest.approx(0.8, abs=3 * math.sqrt(0.16 / 4000))


def test_verdicts() -> None:
    sharp = difference(each=(0.001, 0.0012, 0.0011), shared=1e-7, own=0.0)
    assert judged(sharp, 1.0).both.verdict == "equivalent, not equal"
    zero = replace(sharp, each=(0.0001, -0.0002, 0.0001))
    assert judged(zero, 1.0).both.verdict == "equivalent"
    apart = replace(sharp, each=(0.031, 0.030, 0.032))
    assert judged(apart, 1.0).both.verdict == "different"
    vague = replace(sharp, each=(0.03, -0.02, 0.01))
    assert judged(vague, 1.0).both.verdict == "cannot be decided"


def test_one_seed_says_nothing_of_seeds() -> None:
    one = difference(each=(0.001,))
    assert math.isnan(interval(one.mean, errors_of(one))[0])
    assert math.isnan(tost(one.mean, errors_of(one), 0.01))
    assert math.isinf(smallest_margin(errors_of(one)))
    assert judged(one, 1.0).both.verdict == "cannot be decided"
    assert judged(one, 1.0).alone.verdict == "equivalent"
    assert needed(one, 0.01).seeds is None


def test_no_error_at_all() -> None:
    same = difference(each=(0.0, 0.0), shared=0.0, own=0.0)
    assert tost(0.0, errors_of(same), 0.01) == 0.0
    assert tost(0.02, errors_of(same), 0.01) == 1.0
    assert judged(same, 1.0).both.verdict == "equivalent"


def test_the_seeds_component_leaves_out_what_the_rows_make() -> None:
    """Differences that vary by the rows alone: s² is their interaction on average, the component 0."""
    rng = np.random.default_rng(1)
    found = [
        difference(tuple(rng.normal(scale=0.001, size=3)), own=1e-6).seeds_component ** 2
        for _ in range(2000)
    ]
    wider = [
        difference(tuple(rng.normal(scale=0.003, size=3)), own=1e-6).seeds_component ** 2
        for _ in range(2000)
    ]
    assert np.median(found) < 1e-6
    assert np.mean(wider) == pytest.approx(8e-6, rel=0.1)


def test_with_as_much_as_it_would_take_the_margin_is_decided() -> None:
    found = difference(each=(0.004, -0.006, 0.003), shared=1.2e-5, own=4e-6)
    assert smallest_margin(errors_of(found)) > 0.01
    takes = needed(found, 0.01)
    assert takes.rows is None  # the seeds alone are wider than the margin
    assert takes.seeds is None  # and so are the rows
    assert takes.both is not None
    seeds, rows = takes.both
    own, shared = 4e-6 * 1500 / rows, 1.2e-5 * 1500 / rows
    spread = found.seeds_component**2 + own
    both = Errors(math.sqrt(shared + own / seeds), math.sqrt(spread / seeds), seeds)
    assert smallest_margin(both) == pytest.approx(0.01, rel=0.02)
    few = difference(each=(0.0004, -0.0006, 0.0003), shared=1.2e-5, own=0.0)
    more = needed(few, 0.01).rows
    assert more is not None
    errors = Errors(math.sqrt(1.2e-5 * 1500 / more), few.seeds_error, 3)
    assert smallest_margin(errors) == pytest.approx(0.01, rel=1e-3)
    assert needed(few, 0.05).rows == 1500  # decided already


def test_a_margin_in_points_is_judged_and_written_as_a_fraction() -> None:
    one = difference(each=(0.004, -0.006, 0.003), shared=1.2e-5, own=4e-6)
    found = judged(one, 1.0)
    row = found.row("stsb")
    assert row["margin"] == found.margin == 0.01
    assert row["p_tost"] == found.both.p == tost(one.mean, errors_of(one), 0.01)
    assert row["p_tost_rows"] == found.alone.p == tost(one.mean, rows_only(one), 0.01)
    assert (row["low"], row["high"]) == found.both.interval == interval(one.mean, errors_of(one))
    assert found.needed == needed(one, 0.01)
    assert not found.is_decidable
    assert judged(one, 100 * found.both.decidable + 1e-9).is_decidable
