"""Which numbers stand apart: exactly those that were put there, of a crowd next to none."""

import math

import numpy as np
import pytest

from lora_lens.chance.spacings import most_outliers, standing_apart

LEVEL = 0.01


def magnified(generator: np.random.Generator, d: int, planted: np.ndarray) -> np.ndarray:
    """Mean of 1/n² over four layers of Gaussian W0, some of whose columns are scaled down."""
    norms = np.sqrt(generator.chisquare(d, size=(4, d)) / d)
    norms[:, : len(planted)] *= planted
    return (np.median(norms, axis=1, keepdims=True) ** 2 / norms**2).mean(0)


@pytest.mark.parametrize(
    ("d", "count"),
    [(64, 1), (64, 8), (64, 9), (64, 15), (128, 9), (128, 31), (192, 10), (384, 25), (768, 5), (768, 191)],
)  # fmt: skip
def test_exactly_those_that_were_planted_are_named(d: int, count: int) -> None:
    generator = np.random.default_rng(d + count)
    exact = 0
    for _ in range(50):
        found = standing_apart(magnified(generator, d, generator.uniform(0.04, 0.06, count)))
        exact += sorted(found.at(LEVEL)) == list(range(count))
    assert exact >= 47  # of one set in a hundred one more may be named


@pytest.mark.parametrize("d", [24, 64, 384])
@pytest.mark.parametrize("law", ["exponential", "standard_normal", "chisquare"])
def test_of_a_crowd_one_in_a_hundred_has_any(d: int, law: str) -> None:
    generator = np.random.default_rng(d)
    arguments = {"df": 4} if law == "chisquare" else {}
    sets = 1000
    found = sum(
        bool(standing_apart(getattr(generator, law)(size=d, **arguments)).at(LEVEL))
        for _ in range(sets)
    )
    assert found <= LEVEL * sets + 2.6 * math.sqrt(LEVEL * sets)


def test_what_is_beside_outliers_is_still_the_first_of_its_crowd() -> None:
    """Counted with the five above it, its gap would be six times as wide as it is."""
    generator = np.random.default_rng(0)
    more = 0
    for _ in range(400):
        crowd = generator.exponential(size=763)
        more += len(standing_apart(np.append(crowd, 100 + 10 * np.arange(5.0))).at(LEVEL)) > 5
    assert more <= LEVEL * 400 + 2.6 * math.sqrt(LEVEL * 400)


def test_beside_outliers_that_are_near_a_few_more_are_named() -> None:
    """Hardly a gap parts these: the crowd's own first counts five times as wide while they are there."""
    generator = np.random.default_rng(2)
    more = 0
    for _ in range(400):
        values = np.append(generator.exponential(size=763), np.full(5, 12.0))
        found = standing_apart(values).at(LEVEL)
        more += bool(found) and not {*found} <= {763, 764, 765, 766, 767}
    assert 0.01 * 400 < more < 0.09 * 400


def test_the_weakest_beside_far_stronger_ones_has_the_power_that_it_has_alone() -> None:
    generator = np.random.default_rng(3)
    alone = together = 0
    for _ in range(60):
        crowd = np.abs(generator.standard_normal(763))
        alone += 763 in standing_apart(np.append(crowd, [6.3])).at(LEVEL)
        found = standing_apart(np.append(crowd, [6.3, 40, 251, 1585, 1e4])).at(LEVEL)
        assert {764, 765, 766, 767} <= {*found}
        together += 763 in found
    assert abs(together - alone) <= 3


def test_strengths_far_apart_hide_none() -> None:
    crowd = np.random.default_rng(1).standard_normal(384)
    planted = np.array([8.0, 9.0, 12.0, 20.0, 400.0])
    found = standing_apart(np.append(crowd, planted))
    assert sorted(found.at(LEVEL)) == list(range(384, 389))
    assert (np.diff(found.p) >= 0).all()
    assert len(found.order) == most_outliers(389) == 97


def test_below_a_level_each_has_the_p_of_its_own_gap() -> None:
    crowd = np.random.default_rng(0).standard_normal(384)
    found = standing_apart(np.append(crowd, [1e6, 2e6]), level=0)
    assert found.p[:2] == pytest.approx([1.1 / 20001] * 2)
    assert found.p[2] > 0.1
    assert set(found.p[386 // 20 :]) == {1.0}
    many = np.append(np.random.default_rng(0).standard_normal(1600), 1e6)  # drawn in several goes
    least = standing_apart(many, level=0).p[0]
    assert least == pytest.approx(1.1 / 20001)
    assert standing_apart(many, level=least).at(least) == (1600,)


def test_p_is_that_of_exponential_gaps() -> None:
    """Of 80 numbers 8 gaps are the first, by other draws, and 11 the further ones, by the median's own law."""
    gaps = np.random.default_rng(1).permutation(np.linspace(0.5, 1.5, 79))
    normalised = gaps.copy()
    normalised[0], normalised[12] = 4.5, 9.0
    drawn = np.random.default_rng(2).exponential(size=(100_000, 16))
    largest = drawn[:, :8].max(1) / np.median(drawn, 1)
    first = np.mean(largest >= 4.5 / np.median(normalised[:16]))
    values = np.append((normalised / np.arange(1, 80))[::-1].cumsum()[::-1], 0)
    assert standing_apart(values, level=0).p[0] == pytest.approx(1.1 * first, rel=0.05)
    normalised[0], normalised[12] = 1.0, 40.0
    times = 40 / np.median(normalised[13:30])
    alone = np.prod([1 / (1 + times / (17 - j)) for j in range(9)])
    values = np.append((normalised / np.arange(1, 80))[::-1].cumsum()[::-1], 0)
    assert standing_apart(values, level=0.1).p[:14] == pytest.approx([121 * alone] * 13 + [1.0])


@pytest.mark.parametrize(("count", "first"), [(400, 20), (100, 8)])
def test_the_first_gaps_are_a_twentieth_or_eight(count: int, first: int) -> None:
    """A wide one parts all that is above it, if it is the last of these and not the next."""
    for wide, least in ((first - 1, 1e-3), (first, 1.0)):
        normalised = np.ones(count - 1)
        normalised[wide] = 50
        values = np.append((normalised / np.arange(1, count))[::-1].cumsum()[::-1], 0)
        p = np.array(standing_apart(values, level=0).p)
        assert (p[:first] <= least).all()
        assert p[0] > 0.9 * (least == 1)
        assert set(p[first:]) == {1.0}


@pytest.mark.parametrize(
    "values", [np.ones(40), np.array([1.0, 2.0, 9.0]), np.full(40, np.nan), np.array([])]
)
def test_ties_a_few_and_nothing(values: np.ndarray) -> None:
    assert standing_apart(values).at(LEVEL) == ()
