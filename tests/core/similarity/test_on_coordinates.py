"""How much farther φ scatters where few coordinates outweigh the rest, against simulated turns."""

import numpy as np
import pytest
import torch

from lora_lens.core.similarity.on_coordinates import scatter_on_coordinates, unevenness

D = 12


def spanned(x: np.ndarray) -> np.ndarray:
    return np.linalg.qr(x)[0]


def uneven(rng: np.random.Generator, i: int) -> np.ndarray:
    return spanned(rng.standard_normal((D, i)) * rng.permutation(4.0 ** -np.arange(D))[:, None])


def overlap(u: np.ndarray, v: np.ndarray) -> float:
    return float(np.sum((u.T @ v) ** 2))


def test_simulated_permutations_with_signs_scatter_so_far() -> None:
    rng = np.random.default_rng(0)
    one = [uneven(rng, i) for i in (2, 3)]
    other = [uneven(rng, i) for i in (2, 1)]
    permuted, turned = (
        [
            sum(
                overlap(turn(u), v) / min(u.shape[1], v.shape[1])
                for u, v in zip(one, other, strict=True)
            )
            for _ in range(6000)
        ]
        for turn in (
            lambda u: rng.choice([-1, 1], (D, 1)) * u[rng.permutation(D)],
            lambda u: spanned(rng.standard_normal(u.shape)),
        )
    )
    widths = np.array([[2, 3], [2, 1]])
    shares = np.array([[float(unevenness(u)) for u in each] for each in (one, other)])
    found = scatter_on_coordinates(D, widths, shares)[0, 1]
    assert found > 1.5
    assert found == pytest.approx(np.std(permuted) / np.std(turned), rel=0.05)
    assert np.mean(permuted) == pytest.approx(np.mean(turned), rel=0.03)


def test_gaussian_subspaces_are_even_and_one_of_two_is_enough() -> None:
    rng = np.random.default_rng(0)
    some = spanned(rng.standard_normal((400, 64, 4)))
    shares = unevenness(some)
    assert shares.mean() == pytest.approx(2 / 66, rel=0.05)
    np.testing.assert_allclose(unevenness(torch.from_numpy(some)), shares)
    shares = shares.reshape(40, 10)
    widths = np.full(shares.shape, 4)
    assert (scatter_on_coordinates(64, widths, shares) == 1).all()
    shares[0] = 1.0  # along axes
    assert scatter_on_coordinates(64, widths, shares)[0].max() < 1.2
    shares[1] = 1.0
    assert scatter_on_coordinates(64, widths, shares)[0, 1] == pytest.approx(33**0.5)


def test_of_whole_spaces_nothing_varies() -> None:
    whole = np.eye(5)
    assert unevenness(whole) == 0
    assert (scatter_on_coordinates(5, np.full((2, 3), 5), np.zeros((2, 3))) == 1).all()
