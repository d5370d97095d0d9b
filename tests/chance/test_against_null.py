import json
import math

import numpy as np
import pytest

from lora_lens.chance.against_null import null_test


def test_against_draws_by_hand() -> None:
    drawn = np.array([[0.1, 0.5], [0.2, 0.5], [0.3, 0.5], [0.4, 0.5]])
    test = null_test(np.array([0.3, 0.5]), drawn)
    np.testing.assert_allclose(test.mean, [0.25, 0.5])
    assert test.sd[0] == pytest.approx(math.sqrt(0.05 / 3))
    assert test.sd[1] == 0
    assert test.z[0] == pytest.approx(0.05 / math.sqrt(0.05 / 3))
    assert np.isnan(test.z[1])  # the null does not vary
    # 0.3 and 0.4 reach 0.3; a tie counts against the value.
    np.testing.assert_allclose(test.p, [3 / 5, 1])
    np.testing.assert_allclose(test.excess, [0.05 / 0.75, 0])


def test_a_number_gives_numbers_and_closed_moments_replace_those_of_the_draws() -> None:
    test = null_test(np.array(0.6), np.array([0.1, 0.2, 0.3]), mean=0.5, sd=0.1)
    assert (test.mean, test.sd, test.p) == (0.5, 0.1, 0.25)
    assert (test.z, test.excess) == pytest.approx((1.0, 0.2))
    assert all(isinstance(value, float) for value in vars(test).values())


def test_what_cannot_be_said_is_nan_and_null_in_json() -> None:
    undrawn = null_test(np.array([0.5]), None)
    assert all(np.isnan(values).all() for values in vars(undrawn).values())
    certain = null_test(np.array(1.0), np.ones(9))
    assert (certain.p, certain.mean) == (1, 1)
    assert math.isnan(certain.z)
    assert math.isnan(certain.excess)
    assert json.loads(json.dumps(certain.to_dict(), allow_nan=False))["z"] is None
    unknown = null_test(np.array(math.nan), np.ones(9))
    assert math.isnan(unknown.p)
