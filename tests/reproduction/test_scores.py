import math

import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from lora_lens.reproduction.numbers.scores import TaskScores, averages, paired

ONE = {0: 0.62, 1: 0.60, 2: 0.67}
OTHER = {0: 0.60, 1: 0.61, 2: 0.61}


def test_paired_by_hand() -> None:
    """Differences .02, −.01, .06: mean .07/3, s² = .0037/3, t with two degrees of freedom."""
    found = paired(ONE, OTHER)
    assert found is not None
    differences = [0.02, -0.01, 0.06]
    mean = sum(differences) / 3
    error = math.sqrt(sum((d - mean) ** 2 for d in differences) / 2 / 3)
    assert found.seeds == 3
    assert found.mean == pytest.approx(mean)
    assert found.standard_error == pytest.approx(error)
    t = mean / error
    # Student's t with two degrees of freedom has the distribution function 1/2 + t/(2√(2 + t²)).
    assert found.p == pytest.approx(1 - t / math.sqrt(2 + t * t))


@pytest.mark.parametrize("seeds", [2, 3, 10])
def test_the_p_value_is_scipys(seeds: int) -> None:
    one = {k: 0.6 + 0.01 * math.sin(k) for k in range(seeds)}
    other = {k: 0.59 + 0.01 * math.cos(3 * k) for k in range(seeds)}
    found = paired(one, other)
    assert found is not None
    expected = scipy.stats.ttest_rel(list(one.values()), list(other.values())).pvalue
    assert found.p == pytest.approx(expected, rel=1e-12)


def test_only_common_seeds_are_paired() -> None:
    found = paired(ONE | {7: 0.1}, OTHER | {8: 0.9})
    assert found == paired(ONE, OTHER)
    assert paired({0: 0.5}, {1: 0.5}) is None
    single = paired({0: 0.5}, {0: 0.4})
    assert single is not None
    assert single.mean == pytest.approx(0.1)
    assert math.isnan(single.standard_error)
    assert math.isnan(single.p)


def test_equal_differences_have_no_p_value() -> None:
    found = paired({0: 0.5, 1: 0.6}, {0: 0.25, 1: 0.35})
    assert found is not None
    assert math.isnan(found.p)
    assert (found.mean, found.standard_error) == (pytest.approx(0.25), 0.0)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=8))
def test_swapping_turns_the_sign(pairs: list[tuple[float, float]]) -> None:
    one, other = ({k: pair[x] for k, pair in enumerate(pairs)} for x in (0, 1))
    here, there = paired(one, other), paired(other, one)
    assert here is not None
    assert there is not None
    assert here.mean == pytest.approx(-there.mean)
    assert here.standard_error == pytest.approx(there.standard_error)
    assert here.p == pytest.approx(there.p, nan_ok=True)


def test_averages_over_the_tasks_need_every_task() -> None:
    tasks = [
        TaskScores("mrpc", "accuracy", 0.68, {"lora": {0: 0.8, 1: 0.9}}, {"lora": 1e-3}),
        TaskScores("rte", "accuracy", 0.53, {"lora": {0: 0.6}}, {"lora": 1e-3}),
    ]
    assert averages(tasks, "lora") == {0: pytest.approx(0.7)}
    assert averages(tasks, "condlora") == {}
    assert tasks[0].mean("lora") == pytest.approx(0.85)
    assert tasks[0].sd("lora") == pytest.approx(0.05 * math.sqrt(2))
    assert math.isnan(tasks[1].sd("lora"))
    assert [row["score"] for row in tasks[0].rows()] == [0.8, 0.9]
