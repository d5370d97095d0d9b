"""How far off a number must be, against simulated tests by as many draws."""

from statistics import NormalDist

import numpy as np
import pytest

from lora_lens.chance.p_values import two_sided_p
from lora_lens.chance.reach import POWER, reach


@pytest.mark.parametrize(("level", "draws"), [(0.05, 19), (0.05, 99), (0.025, 45), (0.0125, 200)])
def test_four_of_five_are_found_at_that_distance(level: float, draws: int) -> None:
    rng = np.random.default_rng(draws)
    cases = 4000
    off = reach(level, draws)
    assert off is not None
    found = two_sided_p(rng.standard_normal(cases) + off, rng.standard_normal((draws, cases)))
    assert (found <= level + 1e-12).mean() == pytest.approx(POWER, abs=0.025)


def test_many_draws_are_the_textbooks_formula() -> None:
    normal = NormalDist()
    for ways in (2, 66):
        textbook = normal.inv_cdf(1 - 0.01 / ways) + normal.inv_cdf(POWER)
        assert reach(0.01, 200_000, ways) == pytest.approx(textbook, abs=0.01)


def test_too_few_draws_reach_nothing() -> None:
    assert reach(0.01, 98) is None
    assert reach(0.01, 99) is not None
