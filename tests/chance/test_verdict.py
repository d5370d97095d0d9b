"""Verdicts: corrections by a second route, and the level and the power that are promised."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_lens.chance.against_null import null_test
from lora_lens.chance.detectable import POWER, detectable_deviations, detectable_excess
from lora_lens.chance.detectable_phi import detectable_deviations_of_phi
from lora_lens.chance.p_values import fewest_draws, holm, two_sided_p
from lora_lens.chance.significance import LEVEL
from lora_lens.chance.verdict import Trial, judge

TRIAL = Trial(value=0.4, mean=0.1, sd=0.05, p=0.01, draws=999)


def trial(value: float, drawn: np.ndarray, **changes: object) -> Trial:
    test = null_test(np.array(value), drawn)
    made = Trial(value, test.mean, test.sd, test.p_two_sided, len(drawn))
    return replace(made, **changes)  # type: ignore[arg-type]


def test_two_sided_p_has_the_ties_of_the_upper_tail() -> None:
    """Of a null whose deviation is float32's resolution: what is three deviations off is no tie of all draws."""
    sd = 9.7e-7
    drawn = 0.01 + sd * np.random.default_rng(0).standard_normal(999)
    value, cells = np.asarray(0.01 + 3 * sd), 126 * 125 // 2
    assert two_sided_p(value, drawn, sd=sd, cells=cells) == pytest.approx(0.0027, abs=0.003)
    assert two_sided_p(value, drawn) > 0.03


def test_two_sided_p_by_hand() -> None:
    drawn = np.array([1.0, 2.0, 3.0, 4.0])
    # The middle of all five is 4; 1 is 3 away, 10 is 6: only 10 itself is so far.
    assert two_sided_p(np.array(10.0), drawn) == 1 / 5
    # The middle is 2.5: 1 and 4 are as far as each other.
    assert two_sided_p(np.array(2.5), drawn) == 1
    assert two_sided_p(np.array(-10.0), drawn) == 1 / 5
    assert null_test(np.array(-10.0), drawn).p == 1  # the upper tail sees nothing there


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=9))
def test_holm_is_the_step_down_written_out(p: list[float]) -> None:
    found = holm(np.array(p))
    for k, value in enumerate(p):
        below = sorted(p)
        steps = [min(1, below[j] * (len(p) - j)) for j in range(len(p)) if below[j] <= value]
        assert found[k] == pytest.approx(max(steps))


def test_more_less_and_not_seen() -> None:
    words = [one.word for one in judge([TRIAL, replace(TRIAL, value=0.0)])]
    assert words == ["more", "less"]
    assert judge([replace(TRIAL, p=0.06)])[0].word == "not seen"
    assert judge([]) == []


def test_a_verdict_is_of_the_corrected_p() -> None:
    one, *_ = judge([replace(TRIAL, p=p) for p in (0.02, 0.5, 0.5)])
    assert (one.word, one.p, one.family) == ("not seen", pytest.approx(0.06), 3)


def test_too_few_draws_find_nothing_and_say_so() -> None:
    few = [replace(TRIAL, p=1 / 41, draws=40)] * 4
    assert {(one.word, one.detectable) for one in judge(few)} == {("not seen", None)}
    needed = fewest_draws(LEVEL, tests=4)
    enough = [replace(TRIAL, p=1 / (needed + 1), draws=needed)] * 4
    assert {one.word for one in judge(enough)} == {"more"}
    less = [replace(one, p=1 / needed, draws=needed - 1) for one in enough]
    assert {one.word for one in judge(less)} == {"not seen"}


def test_tests_that_cannot_be_found_cost_the_others_nothing() -> None:
    """Five orders of three layers have p of 1/6 at least, whatever the adapters are."""
    hopeless = [replace(TRIAL, p=1 / 6, draws=5)] * 7
    first, *others = judge([TRIAL, *hopeless])
    assert first == judge([TRIAL])[0]
    assert {one.detectable for one in others} == {None}


def test_what_would_have_been_found_is_by_what_is_known_of_the_null() -> None:
    """Of two tests: by the deviation alone, by a gamma's shape above the floor, by the draws; None where no excess is found."""
    drawn = np.random.default_rng(2).gamma(0.5, size=999)
    known = {"sd": 0.05}, {"floor": 0.06}, {"floor": 0.2}, {"drawn": drawn}, {"sd": math.nan}
    found = [judge([replace(TRIAL, **one), TRIAL])[0].detectable for one in known]  # type: ignore[arg-type]
    normal, by_draws = detectable_deviations(LEVEL / 2, 999), detectable_excess(drawn, LEVEL / 2)
    gamma = detectable_deviations_of_phi(0.64, LEVEL / 2, 999)  # (0.1 − 0.06)²/0.05²
    assert normal is not None
    assert gamma is not None
    assert by_draws is not None
    assert gamma > 1.05 * normal
    assert found[:4] == pytest.approx([0.05 * normal, 0.05 * gamma, 0.05 * normal, by_draws])
    assert found[4] is None


def test_equally_many_draws_are_in_the_family_together() -> None:
    many = [replace(TRIAL, p=1 / 201, draws=200)] * 12  # 12/201 is above 0.05, 10/201 is not
    assert {one.word for one in judge(many)} == {"not seen"}
    assert {one.word for one in judge(many[:10])} == {"more"}


def test_pure_noise_is_called_something_in_one_case_of_twenty() -> None:
    """Families of four with a skewed null, of the fewest draws that can find anything."""
    rng, draws, families = np.random.default_rng(0), fewest_draws(LEVEL, tests=4), 1500
    called = 0
    for _ in range(families):
        drawn = rng.gamma(4, size=(draws, 4))
        own = rng.gamma(4, size=4)
        found = judge([trial(own[k], drawn[:, k]) for k in range(4)])
        called += any(one.word != "not seen" for one in found)
    share = called / families
    margin = 1.96 * math.sqrt(LEVEL * (1 - LEVEL) / families)
    assert share <= LEVEL + margin


@pytest.mark.parametrize(("draws", "least"), [(79, 0.7), (400, POWER - 0.03)])
def test_the_detectable_excess_is_found_in_four_of_five_cases(draws: int, least: float) -> None:
    """Of the fewest draws the largest must be beaten, which wavers: a little less is found."""
    rng, cases, found = np.random.default_rng(1), 800, 0
    silent = [replace(TRIAL, p=0.9, draws=draws)] * 3
    for _ in range(cases):
        drawn = rng.normal(0.1, 0.02, draws)
        reach = judge([trial(0.1, drawn), *silent])[0].detectable
        assert reach is not None
        value = 0.1 + reach + rng.normal(0, 0.02)
        found += judge([trial(value, drawn), *silent])[0].word == "more"
    assert least < found / cases < POWER + 0.05
