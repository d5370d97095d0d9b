"""φ of subspaces that share nothing beyond a given one: closed forms against turning them at random."""

import numpy as np
import pytest
import torch
from planted import orthogonal

from lora_lens import gaussian_baseline
from lora_lens.chance.given_subspace import Outside, PairMoments, inside, moments_of, trace
from lora_lens.core.similarity.phi_of_bases import phi_of_bases

D, K = 14, 3


def subspace(rng: np.random.Generator, theta: np.ndarray, pull: float, i: int) -> np.ndarray:
    """i orthonormal rows that lean towards Θ, neither inside nor outside."""
    mixed = rng.standard_normal((D, i)) + pull * theta @ rng.standard_normal((theta.shape[1], i))
    return np.linalg.qr(mixed)[0].T


def moments(one: np.ndarray, other: np.ndarray, theta: np.ndarray) -> PairMoments:
    """Of two subspaces by their rows."""
    d, k = theta.shape
    m1, m2 = (inside(torch.from_numpy(x[None]), torch.from_numpy(theta)) for x in (one, other))
    g1, g2 = (m - m @ m for m in (m1, m2))
    sides = (
        Outside(trace(m), trace(g), torch.tensor([float(len(x))]))
        for m, g, x in ((m1, g1, one), (m2, g2, other))
    )
    return moments_of(trace(m1 @ m2)[None], trace(g1 @ g2)[None], *sides, rest=d - k)


@pytest.mark.parametrize(("i", "j"), [(4, 4), (2, 5)])
def test_moments_are_those_of_a_random_turn_of_the_complement(i: int, j: int) -> None:
    rng = np.random.default_rng(0)
    frame = orthogonal(D, rng)
    theta, rest = frame[:, :K], frame[:, K:]
    one, other = subspace(rng, theta, 2.0, i), subspace(rng, theta, 1.5, j)
    drawn = []
    for _ in range(6000):
        turn = theta @ theta.T + rest @ orthogonal(D - K, rng) @ rest.T
        turned = torch.from_numpy((other @ turn.T).T.copy())
        drawn.append(float(phi_of_bases(torch.from_numpy(one.T.copy()), turned)))
    found = moments(one, other, theta)
    assert float(found.mean) == pytest.approx(np.mean(drawn), abs=4 * np.std(drawn) / np.sqrt(6000))
    assert float(found.sd) == pytest.approx(np.std(drawn), rel=0.04)
    unrelated = gaussian_baseline(D, i, j).mean  # another number, so that the test can tell
    assert abs(float(found.mean) - unrelated) > 10 * np.std(drawn) / np.sqrt(6000)


def test_with_nothing_given_it_is_the_gaussian_baseline() -> None:
    rng = np.random.default_rng(1)
    nothing = np.zeros((D, 0))
    rows = [orthogonal(D, rng)[:i] for i in (2, 5)]
    found = moments(rows[0], rows[1], nothing)
    assert (float(found.mean), float(found.sd)) == pytest.approx(gaussian_baseline(D, 2, 5))


def test_subspaces_that_hold_all_of_it_share_it_for_certain() -> None:
    rng = np.random.default_rng(2)
    frame = orthogonal(D, rng)
    theta = frame[:, :K]
    one = frame[:, : K + 2].T
    found = moments(one, one, theta)
    assert float(found.mean) == pytest.approx((K + 2 * 2 / (D - K)) / (K + 2))
    alone = moments(theta.T, theta.T, theta)
    assert (float(alone.mean), float(alone.sd)) == pytest.approx((1, 0))


def test_subspaces_outside_share_what_chance_gives_in_the_complement() -> None:
    rng = np.random.default_rng(3)
    frame = orthogonal(D, rng)
    found = moments(frame[:, 5:7].T, frame[:, 8:11].T, frame[:, :K])
    assert (float(found.mean), float(found.sd)) == pytest.approx(gaussian_baseline(D - K, 2, 3))


def test_a_complement_that_is_a_line_can_still_be_turned_round() -> None:
    rng = np.random.default_rng(4)
    frame = orthogonal(4, rng)
    theta, line = frame[:, :3], frame[:, 3:]
    one, other = (np.linalg.qr(rng.standard_normal((4, 2)))[0] for _ in range(2))
    both = [
        float(np.linalg.norm(one.T @ (theta @ theta.T + sign * line @ line.T) @ other) ** 2) / 2
        for sign in (1, -1)
    ]
    found = moments(one.T, other.T, theta)
    assert (float(found.mean), float(found.sd)) == pytest.approx((np.mean(both), np.std(both)))
    whole = moments(one.T, other.T, frame)
    assert (float(whole.mean), float(whole.sd)) == pytest.approx((both[0], 0), abs=1e-7)
