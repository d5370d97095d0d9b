import numpy as np
import pytest
from scipy import stats

from lora_lens.chance.correlations import correlation, correlation_p, detectable_correlations
from lora_lens.chance.verdict import Trial, judge


def test_equals_scipys_whatever_the_scale() -> None:
    x, y = np.random.default_rng(0).standard_normal((2, 9))
    for scale in (1e-160, 1.0, 1e160):
        found = correlation(scale * x, y)
        assert found == pytest.approx(stats.pearsonr(x, y).statistic, rel=1e-12)


def test_what_varies_by_rounding_alone_has_none() -> None:
    x = np.array([0.1, 0.1 + 1e-17, 0.1])
    assert np.isnan(correlation(x, np.arange(3.0)))
    assert np.isnan(correlation(np.zeros(3), np.arange(3.0)))


def test_p_is_exact_under_its_null() -> None:
    """Of correlations near 1, whose distances are lopsided, too."""
    rng = np.random.default_rng(1)
    drawn = np.tanh(rng.normal(2, 0.5, (2000, 40)))
    p = np.array([correlation_p(one[0], one[1:]) for one in drawn])
    assert (p <= 0.05).mean() == pytest.approx(0.05, abs=5 * (0.05 * 0.95 / 2000) ** 0.5)
    assert np.isnan(correlation_p(np.nan, drawn[0]))
    assert np.isnan(correlation_p(0.5, drawn[0][:0]))


@pytest.mark.parametrize("side", [-1, 1])
def test_what_would_be_seen_is_found_in_four_of_five(side: int) -> None:
    """On either side, of a null near 1: .78 and .80 of 600 within five standard errors."""
    rng = np.random.default_rng(2)
    found = 0
    for _ in range(600):
        z = rng.normal(1.5, 0.3, 200)
        low, high = detectable_correlations(np.tanh(z[1:]), 0.05) or (np.nan, np.nan)
        moved = np.arctanh(high if side > 0 else low) - z[1:].mean()
        found += correlation_p(float(np.tanh(z[0] + moved)), np.tanh(z[1:])) <= 0.05
    assert found / 600 == pytest.approx(0.8, abs=5 * (0.16 / 600) ** 0.5)


def test_a_verdict_says_how_far_to_either_side() -> None:
    drawn = np.tanh(np.random.default_rng(3).normal(1, 0.3, 99))
    trial = Trial(
        0.7, float(drawn.mean()), float(drawn.std()), 0.5, 99, drawn=drawn, correlation=True
    )
    (verdict,) = judge([trial])
    assert verdict.detectable is not None
    assert verdict.below is not None
    assert trial.mean + verdict.detectable < 1
    assert verdict.below > verdict.detectable > 0
