"""How far φ of few directions must be off, against simulated tests of real φ by as many draws."""

import numpy as np
import pytest
from scipy.stats import binom, gamma

import lora_lens as ll
from lora_lens.chance.detectable import POWER, detectable_deviations
from lora_lens.chance.detectable_phi import detectable_deviations_of_phi
from lora_lens.chance.p_values import monte_carlo_p, two_sided_p
from lora_lens.chance.verdict import Trial, judge

D, CASES = 64, 300
FEWEST = int(binom.ppf(1e-3, CASES, POWER))  # fewer are found in 1 of 1,000 such tests


def phi(rng: np.random.Generator, rank: int, layers: int, *size: int) -> np.ndarray:
    """Mean over layers of φ between subspaces of R^64, one of them random."""
    drawn = np.linalg.qr(rng.standard_normal((*size, layers, D, rank)))[0]
    return (drawn[..., :rank, :] ** 2).sum((-1, -2)).mean(-1) / rank


@pytest.mark.parametrize(("rank", "layers"), [(1, 1), (1, 2), (2, 1)])
@pytest.mark.parametrize("pairs", [1, 10])
def test_one_of_many_pairs_is_found_at_that_distance(rank: int, layers: int, pairs: int) -> None:
    """Where the pair is the same in every set, and where it scatters as chance does."""
    rng, draws = np.random.default_rng([rank, layers, pairs]), 249
    chance = ll.gaussian_baseline(D, rank)
    sd = chance.sd / layers**0.5
    off = detectable_deviations_of_phi((chance.mean / sd) ** 2, 0.05 / pairs, draws, tails=1)
    assert off is not None
    null = phi(rng, rank, layers, draws, CASES)
    own = phi(rng, rank, layers, CASES)
    level = 0.05 / pairs + 1e-12
    assert (monte_carlo_p(np.full(CASES, chance.mean + off * sd), null) <= level).sum() >= FEWEST
    scattered = (monte_carlo_p(own + off * sd, null) <= level).mean()
    assert scattered == pytest.approx(POWER, abs=0.09)


@pytest.mark.parametrize(("rank", "layers"), [(1, 1), (1, 4)])
def test_a_verdict_with_a_floor_promises_what_it_finds(rank: int, layers: int) -> None:
    """Two tails, a family of two; a normal null's excess was found in about half of the sets."""
    rng, draws = np.random.default_rng([rank, layers]), 199
    chance = ll.gaussian_baseline(D, rank)
    sd = chance.sd / layers**0.5
    null = phi(rng, rank, layers, draws, CASES)
    counts = {}
    for floor in (None, 0.0):
        silent = Trial(chance.mean, chance.mean, sd, 0.9, draws, floor=floor)
        excess = judge([silent, silent])[0].detectable
        assert excess is not None
        p = two_sided_p(np.full(CASES, chance.mean + excess), null)
        counts[floor] = (2 * p <= 0.05 + 1e-12).sum()  # Holm's, beside a p of .9
    assert counts[0.0] >= FEWEST
    assert layers > 1 or counts[None] < FEWEST


def test_of_many_degrees_of_freedom_it_is_the_normal_one() -> None:
    for level, draws in ((0.05, 19), (0.05, 1000), (0.0125, 200)):
        assert detectable_deviations_of_phi(1e5, level, draws) == pytest.approx(
            detectable_deviations(level, draws), abs=0.02
        )
        assert detectable_deviations_of_phi(1e12, level, draws) == pytest.approx(
            detectable_deviations(level, draws), abs=0.02
        )


def test_a_floor_takes_nothing_away() -> None:
    """Of two tails at .05 a χ² of few degrees of freedom would be found nearer than a normal number."""
    plain = Trial(0.1, 0.1, 0.14, 0.9, 1000)
    floored = Trial(0.1, 0.1, 0.14, 0.9, 1000, floor=0.0)
    assert judge([plain]) == judge([floored])


def test_too_few_draws_reach_nothing() -> None:
    assert detectable_deviations_of_phi(0.5, 0.01, 98) is None
    assert detectable_deviations_of_phi(0.5, 0.01, 99) is not None


@pytest.mark.parametrize("shape", [0.5, 50.0])
def test_of_the_upper_tail_it_is_the_distance_between_two_quantiles(shape: float) -> None:
    upper, lower = (gamma.isf(p, shape) / shape**0.5 for p in (0.05, POWER))
    assert detectable_deviations_of_phi(shape, 0.05, 10**6, tails=1) == pytest.approx(
        upper - lower, rel=2e-3
    )
