import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from lora_lens.chance.baseline import Baseline
from lora_lens.chance.gaussian_moments import gaussian_baseline, mean_off_diagonal_sd
from lora_lens.chance.p_values import (
    benjamini_hochberg,
    excess,
    fewest_discoveries,
    fewest_draws,
    max_statistic_p,
    monte_carlo_p,
    standardised,
)
from lora_lens.chance.significance import significance
from lora_lens.questions.similarity.result import LayerGrid

LAYERS = 4
OFF = ~np.eye(LAYERS, dtype=bool)


def draws(seed: int, n: int = 60, *, symmetric: bool = True) -> np.ndarray:
    grids = np.random.default_rng(seed).beta(2, 30, (n, LAYERS, LAYERS))
    return (grids + grids.transpose(0, 2, 1)) / 2 if symmetric else grids


def null(samples: np.ndarray, cells: np.ndarray | None = None) -> Baseline:
    source = samples if cells is None else cells
    return Baseline(
        source.mean(0), source.std(0, ddof=1), samples[:, OFF].mean(1).std(ddof=1),
        len(samples), samples, cells,
    )  # fmt: skip


# Known answers


def test_excess_is_0_at_the_null_1_for_equal_subspaces_and_negative_below() -> None:
    found = excess(np.array([0.2, 1.0, 0.6, 0.1]), np.full(4, 0.2))
    np.testing.assert_allclose(found, [0, 1, 0.5, -0.125], atol=1e-15)
    assert math.isnan(excess(np.array(1.0), np.array(1.0)))


def test_monte_carlo_p_counts_what_reaches_the_observed_and_itself() -> None:
    values = np.array([[0.1], [0.2], [0.3], [0.4]])
    assert monte_carlo_p(np.array([0.35]), values) == [2 / 5]
    assert monte_carlo_p(np.array([0.9]), values) == [1 / 5]  # never 0
    assert monte_carlo_p(np.array([0.3]), values) == [3 / 5]  # a tie counts against
    assert monte_carlo_p(np.array([0.3 + 1e-8]), values) == [3 / 5]  # and so does rounding


def test_what_cannot_vary_is_never_significant() -> None:
    """φ is 1 by construction, in the null too, but for rounding."""
    ones = np.ones((20, LAYERS, LAYERS)) - 1e-8 * draws(0, 20)
    found = significance(np.ones((LAYERS, LAYERS)), null(ones), OFF, symmetric=True)
    assert (found.p[OFF] == 1).all()
    assert np.isnan(found.z).all()
    assert np.isnan(found.p_max).all()
    assert np.isnan(found.excess).all()
    assert found.discoveries == 0
    assert found.of_mean.p == 1


# Second routes


def test_monte_carlo_p_is_scipys_monte_carlo_test() -> None:
    samples = draws(1)
    found = significance(draws(2)[0], null(samples), OFF, symmetric=True)
    for l, m in zip(*np.nonzero(np.triu(OFF)), strict=True):
        cell = samples[:, l, m]
        expected = scipy.stats.monte_carlo_test(
            [draws(2)[0, l, m]], lambda size, cell=cell: cell.reshape(size), np.mean,
            n_resamples=len(samples), alternative="greater",
        )  # fmt: skip
        assert found.p[l, m] == pytest.approx(expected.pvalue, abs=1e-12)
        assert found.p[m, l] == found.p[l, m]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=12))
def test_benjamini_hochberg_is_the_step_up_procedure(p: list[float]) -> None:
    """At every level the rejections are those up to the largest k with p_(k) ≤ k·level/m."""
    adjusted = benjamini_hochberg(np.array(p))
    for level in (0.01, 0.05, 0.2, 0.5):
        ordered = sorted(p)
        passing = [k for k, one in enumerate(ordered, 1) if one <= k * level / len(p) - 1e-12]
        rejected = np.array(p) <= (ordered[passing[-1] - 1] if passing else -1)
        border = np.isclose(adjusted, level, atol=1e-9)
        assert ((adjusted <= level) == rejected)[~border].all()


@given(st.lists(st.floats(0, 1), max_size=30))
def test_benjamini_hochberg_is_scipys(p: list[float]) -> None:
    expected = scipy.stats.false_discovery_control(np.array(p), method="bh") if p else []
    np.testing.assert_array_equal(benjamini_hochberg(np.array(p)), expected)


@pytest.mark.parametrize("own", [False, True])
def test_max_statistic_equals_a_loop_over_the_draws(own: bool) -> None:
    samples, phi = draws(3), draws(4)[0] + 0.05
    cells = draws(2, 9) if own else None
    found = significance(phi, null(samples, cells), OFF, symmetric=True)
    values = samples if cells is None else cells
    mean, sd = values.mean(0), values.std(0, ddof=1)
    every = [*values, phi]  # the observed one too: it must be one among them
    centre, spread = np.mean(every, axis=0), np.std(every, axis=0, ddof=1)
    for l in range(LAYERS):
        for m in range(LAYERS):
            if l == m:
                assert math.isnan(found.p_max[l, m])
                continue
            z = (phi[l, m] - centre[l, m]) / spread[l, m]
            reached = sum(
                max(
                    (grid[a, b] - centre[a, b]) / spread[a, b]
                    for a in range(LAYERS)
                    for b in range(a)
                )
                >= z
                for grid in samples
            )
            assert found.p_max[l, m] == pytest.approx((reached + 1) / (len(samples) + 1))
            assert found.z[l, m] == pytest.approx((phi[l, m] - mean[l, m]) / sd[l, m])


@given(st.integers(1, 300), st.integers(2, 400), st.sampled_from([0.01, 0.05, 0.1]))
def test_fewest_discoveries_by_trial(tests: int, count: int, level: float) -> None:
    """Second route: k p-values at their least among ones that are 1, by scipy's adjustment."""
    found = fewest_discoveries(tests, count, level)
    for k in {min(max(1, found - 1), tests), min(found, tests)}:
        p = np.r_[np.full(k, 1 / (count + 1)), np.ones(tests - k)]
        assert (benjamini_hochberg(p)[0] <= level + 1e-9) == (k >= found)


def test_counts_say_how_few_could_be_found() -> None:
    samples, phi = draws(3, 60), draws(4)[0] + 1
    found = significance(phi, null(samples), OFF, symmetric=True)
    assert (found.fewest, found.discoveries, found.findable) == (2, 6, True)  # 6 / (61 · 0.05)
    few = significance(phi, null(samples, draws(2, 9)), OFF, symmetric=True)
    assert (few.fewest, few.discoveries, few.findable) == (12, 0, False)  # 6 / (10 · 0.05)
    one = significance(
        np.array([1.0]),
        Baseline(0.2, 0.1, 0.1, 19, np.linspace(0.1, 0.3, 19)[:, None]),
        np.array([True]),
    )
    assert (one.fewest, one.discoveries, one.findable) == (1, 1, True)  # as many as there are
    assert significance(phi, Baseline(0.1, 0.01, 0.002), OFF).fewest is None


@pytest.mark.parametrize("symmetric", [True, False])
def test_each_distinct_cell_is_one_test(symmetric: bool) -> None:
    samples, phi = draws(5, symmetric=symmetric), draws(6, symmetric=symmetric)[0] + 0.03
    found = significance(phi, null(samples), OFF, symmetric=symmetric)
    cells = [
        (l, m) for l in range(LAYERS) for m in range(LAYERS) if (l < m if symmetric else l != m)
    ]
    assert found.tests == len(cells) == (6 if symmetric else 12)
    p = np.array([(1 + (samples[:, l, m] >= phi[l, m]).sum()) / 61 for l, m in cells])
    order = np.argsort(p)
    adjusted = p[order] * len(p) / np.arange(1, len(p) + 1)
    adjusted = np.minimum.accumulate(adjusted[::-1])[::-1].clip(max=1)
    expected = np.empty(len(p))
    expected[order] = adjusted
    np.testing.assert_allclose([found.p_bh[cell] for cell in cells], expected)
    assert found.discoveries == (expected <= 0.05).sum()
    assert np.isnan(found.p.diagonal()).all()


def test_the_mean_is_tested_against_the_draws_means() -> None:
    samples, phi = draws(7), draws(8)[0] + 0.01
    found = significance(phi, null(samples), OFF, symmetric=True).of_mean
    means = np.array(
        [np.mean([grid[l, m] for l in range(4) for m in range(4) if l != m]) for grid in samples]
    )
    observed = phi[OFF].mean()
    assert found.mean == pytest.approx(means.mean())
    assert found.sd == pytest.approx(means.std(ddof=1))
    assert found.z == pytest.approx((observed - means.mean()) / means.std(ddof=1))
    assert found.p == pytest.approx((1 + (means >= observed).sum()) / 61)
    assert found.excess == pytest.approx((observed - means.mean()) / (1 - means.mean()))
    off = np.abs(np.r_[means, observed] - np.r_[means, observed].mean())
    assert found.p_two_sided == pytest.approx((off >= off[-1]).sum() / 61)


def test_cells_with_null_values_of_their_own() -> None:
    """The mismatched null: a cell's p is over its own values, the mean's over the joint draws."""
    samples, cells, phi = draws(9, 30), draws(10, 7), draws(11)[0]
    found = significance(phi, null(samples, cells), OFF, symmetric=True)
    assert found.p[0, 1] == pytest.approx((1 + (cells[:, 0, 1] >= phi[0, 1]).sum()) / 8)
    assert found.z[0, 1] == pytest.approx(
        (phi[0, 1] - cells[:, 0, 1].mean()) / cells[:, 0, 1].std(ddof=1)
    )
    assert found.of_mean.mean == pytest.approx(cells[:, OFF].mean())
    other = replace(null(samples, cells), mean_mean=0.25)
    assert significance(phi, other, OFF, symmetric=True).of_mean.mean == 0.25


def test_a_draw_that_holds_the_observed_cell_is_a_tie_whatever_its_rounding() -> None:
    samples, cells, phi = draws(9, 30), draws(10, 7), draws(11)[0]
    exact, rounded = samples.copy(), samples.copy()
    exact[:5], rounded[:5] = phi, phi - 1e-5  # beyond what `monte_carlo_p` itself takes for a tie
    found, expected = (
        significance(phi, replace(null(some, cells), tie=tie), OFF, symmetric=True).p_max
        for some, tie in ((rounded, 2e-5), (exact, 0.0))
    )
    np.testing.assert_array_equal(found, expected)


def test_the_mean_of_a_very_wide_and_deep_model_has_a_z() -> None:
    """126 layers of width 16384: the mean of 7875 φ varies by less than float32 resolves one of them."""
    layers, d, i = 126, 16384, 8
    mean, sd = gaussian_baseline(d, i)
    mean_sd = mean_off_diagonal_sd(d, layers, i)
    assert mean_sd < 1e-6
    off = ~np.eye(layers, dtype=bool)
    phi = np.full((layers, layers), mean + 3 * mean_sd)
    rng = np.random.default_rng(0)
    samples = (
        np.ones((40, layers, layers)) * (mean + mean_sd * rng.standard_normal(40))[:, None, None]
    )
    found = significance(phi, Baseline(mean, sd, mean_sd, 40, samples), off, symmetric=True)
    assert found.of_mean.z == pytest.approx(3, rel=1e-6)
    above = (samples[:, 0, 1] >= phi[0, 1]).sum()
    assert found.of_mean.p == pytest.approx((1 + above) / 41)


def test_too_few_draws_for_any_claim_are_known_as_such() -> None:
    """19 draws are the first by which one p can be 0.05, and 20·k − 1 by which k corrected ones can."""
    for tests in (1, 3, 66):
        fewest = fewest_draws(0.05, tests=tests)
        assert fewest == 20 * tests - 1
        for count in (fewest - 1, fewest):
            p = np.r_[1 / (count + 1), np.ones(tests - 1)]
            assert (benjamini_hochberg(p)[0] <= 0.05 + 1e-12) == (count >= fewest)
    few, enough = (significance(draws(4)[0] + 1, null(draws(3, n)), OFF) for n in (18, 19))
    assert few.of_mean.p > 0.05 >= enough.of_mean.p


# Without draws, without cells


def test_a_closed_form_alone_has_z_and_excess_but_no_p() -> None:
    found = significance(draws(12)[0], Baseline(0.1, 0.01, 0.002), OFF, symmetric=True)
    assert found.z[0, 1] == pytest.approx((draws(12)[0, 0, 1] - 0.1) / 0.01)
    assert np.isfinite(found.excess[OFF]).all()
    for missing in (found.p, found.p_bh, found.p_max, np.array(found.of_mean.p)):
        assert np.isnan(missing).all()
    assert found.discoveries == 0
    assert found.to_dict()["p"] == [[None] * 4] * 4


def test_a_single_layer_has_nothing_to_test() -> None:
    grid = LayerGrid(
        "A", "value", "left", 2, 2, "stored", (0,), np.ones((1, 1)),
        {"propagated": Baseline(np.ones((1, 1)), np.ones((1, 1)), math.nan, 5, np.ones((5, 1, 1)))},
    )  # fmt: skip
    found = grid.to_dict()["baselines"]["propagated"]
    assert found["p"] == found["z"] == [[None]]
    assert set(found["of_mean"].values()) == {None}
    assert found["tests"] == 0


# Properties


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.floats(0, 0.2))
def test_p_values_are_probabilities_and_corrections_only_raise_them(
    seed: int, shift: float
) -> None:
    samples, phi = draws(seed), draws(seed + 1)[0] + shift
    found = significance(phi, null(samples), OFF, symmetric=True)
    p = found.p[OFF]
    assert (p >= 1 / 61).all()
    assert (found.p_bh[OFF] >= p - 1e-12).all()
    assert (found.p_bh[OFF] <= 1).all()
    assert found.p_max[OFF].min() >= 1 / 61


def test_the_largest_of_independent_cells_has_the_family_wise_level() -> None:
    """In 400 families of 20 null cells, p_max ≤ 0.1 in about one of ten."""
    rng = np.random.default_rng(13)
    hits = 0
    for _ in range(400):
        grids = rng.standard_normal((100, 20))
        z = standardised(grids[0], np.zeros(20), np.ones(20))
        hits += bool((max_statistic_p(z, grids[1:]) <= 0.1).any())
    assert scipy.stats.binomtest(hits, 400, 0.1).pvalue > 0.01
