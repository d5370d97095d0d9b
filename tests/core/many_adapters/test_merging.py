"""Cross terms of a merge: known answers, and unrelated directions by drawing them."""

import numpy as np
import pytest
from planted import orthogonal

from lora_lens.core.many_adapters.merging import cosine_sd, interference, sd_given_inputs

SD = cosine_sd(6, 5)


def gram(deltas: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    flat = np.stack([delta.ravel() for delta in deltas])
    norms = np.linalg.norm(flat, axis=1)
    return flat @ flat.T / np.outer(norms, norms), norms


def test_equal_ones_add_up_and_opposite_ones_cancel() -> None:
    rng = np.random.default_rng(0)
    delta = rng.standard_normal((6, 5))
    assert interference(*gram([delta] * 4), sd=SD).cross == pytest.approx(3)
    assert interference(*gram([delta, -delta]), sd=SD).cross == pytest.approx(-1)
    left, right = np.zeros((6, 5)), np.zeros((6, 5))
    left[:3], right[3:] = delta[:3], delta[3:]
    assert interference(*gram([left, right]), sd=SD).cross == pytest.approx(0, abs=1e-12)


def test_it_is_the_energy_of_the_dense_sum() -> None:
    rng = np.random.default_rng(1)
    deltas = [rng.standard_normal((6, 5)) * k for k in (1, 2, 3)]
    weights = np.array([0.5, 1.0, -0.25])
    parts = [w * d for w, d in zip(weights, deltas, strict=True)]
    energy = sum(np.square(part).sum() for part in parts)
    expected = (np.square(sum(parts)).sum() - energy) / energy
    assert interference(*gram(deltas), sd=SD, weights=weights).cross == pytest.approx(expected)
    cosines, norms = gram(deltas)
    small = interference(cosines, 1e-3 * norms, sd=SD, weights=weights)
    assert small == pytest.approx(interference(cosines, norms, sd=SD, weights=weights))


def unrelated(rng: np.random.Generator, out: int, into: int, s: np.ndarray) -> np.ndarray:
    u, v = orthogonal(out, rng)[:, : len(s)], orthogonal(into, rng)[:, : len(s)]
    return u * s @ v.T


def test_deviations_are_those_of_unrelated_directions_whatever_the_spectrum() -> None:
    rng = np.random.default_rng(2)
    out, into, draws = 9, 7, 3000
    s, t, q = np.array([3.0, 1.0]), np.array([1.0, 0.9, 0.1]), np.array([2.0])
    cosines, crosses = [], []
    for _ in range(draws):
        deltas = [unrelated(rng, out, into, values) for values in (s, t, q)]
        found, norms = gram(deltas)
        cosines.append(found[0, 1])
        result = interference(found, norms, sd=cosine_sd(out, into))
        crosses.append(result.z)
    for values, sd in ((np.array(cosines), cosine_sd(out, into)), (np.array(crosses), 1.0)):
        assert abs(values.mean()) < 4 * sd / np.sqrt(draws)
        assert values.std() == pytest.approx(sd, rel=0.05)


@pytest.mark.parametrize(("out", "into"), [(9, 21), (21, 9)])
@pytest.mark.parametrize("alike", [0, 3, 6])  # of six, how many have one A
def test_deviations_given_the_inputs_are_those_of_unrelated_outputs(
    out: int, into: int, alike: int
) -> None:
    """z by `cosine_sd` is as many as √(in/r) times as wide of those that have one A."""
    rng = np.random.default_rng([out, alike])
    draws, s = 1500, np.array([2.0, 1.0, 0.1])
    z, of_all = [], []
    for _ in range(draws):
        common = rng.standard_normal((3, into))
        deltas = [
            orthogonal(out, rng)[:, :3] * s
            @ (common if k < alike else rng.standard_normal((3, into)))
            for k in range(6)
        ]  # fmt: skip
        cosines, norms = gram(deltas)
        met = np.array([[np.linalg.norm(one @ other.T) for other in deltas] for one in deltas])
        sd = sd_given_inputs(met, out) / np.outer(norms, norms)
        z.append((cosines / sd)[0, 1:3])
        of_all.append(interference(cosines, norms, sd=sd).z)
    for values in (np.concatenate(z), np.array(of_all)):
        assert abs(values.mean()) < 4 / np.sqrt(draws)
        assert values.std() == pytest.approx(1, abs=0.08)  # 4 of its own deviations


def test_where_no_inputs_meet_nothing_varies() -> None:
    """A cross term of 0 without a z; it is none where there is no other."""
    found = interference(np.eye(2), np.ones(2), sd=np.zeros((2, 2)))
    assert found[:2] == (0, 0)
    assert np.isnan(found.z)


def test_one_adapter_meets_nobody() -> None:
    found = interference(np.ones((1, 1)), np.ones(1), sd=0.25)
    assert np.isnan(found).all()


def test_a_zero_delta_has_no_cosine_and_adds_nothing() -> None:
    rng = np.random.default_rng(3)
    cosines, norms = gram([rng.standard_normal((4, 4)) for _ in range(3)])
    with_zero = np.full((4, 4), np.nan)
    with_zero[:3, :3] = cosines
    found = interference(with_zero, np.append(norms, 0.0), sd=0.25)
    assert found == pytest.approx(interference(cosines, norms, sd=0.25))
