import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from lora_lens import RankError, gaussian_baseline, gaussian_samples
from lora_lens.chance.gaussian import gaussian_grids
from lora_lens.chance.gaussian_moments import mean_off_diagonal_sd
from lora_lens.errors import LensError


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_known_values() -> None:
    assert gaussian_baseline(384, 8) == pytest.approx((0.0208, 0.0036), abs=5e-5)
    assert gaussian_baseline(768, 8).mean == pytest.approx(0.0104, abs=5e-5)
    assert gaussian_baseline(5, 5, 2) == (1.0, 0.0)
    assert gaussian_baseline(1, 1) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("d", "i", "j"), [(40, 8, 8), (20, 2, 7), (24, 12, 3), (8, 8, 8), (9, 2, 5)]
)
def test_closed_form_agrees_with_sampling(d: int, i: int, j: int) -> None:
    draws = 4000
    phi = gaussian_samples(d, i, j, draws=draws, generator=seeded(1))
    mean, sd = gaussian_baseline(d, i, j)
    assert float(phi.mean()) == pytest.approx(mean, abs=4 * sd / math.sqrt(draws) + 1e-12)
    assert float(phi.std()) == pytest.approx(sd, rel=0.06, abs=1e-10)


@settings(deadline=None, max_examples=60)
@given(st.integers(2, 5000), st.data())
def test_moments_stay_in_range(d: int, data: st.DataObject) -> None:
    i, j = (data.draw(st.integers(1, d)) for _ in range(2))
    mean, sd = gaussian_baseline(d, i, j)
    assert 0 < mean <= 1
    assert 0 <= sd <= math.sqrt(mean * (1 - mean)) + 1e-12


@pytest.mark.parametrize(("i", "j"), [(0, 1), (1, 9), (9, 1)])
def test_impossible_dimensions_are_an_error(i: int, j: int) -> None:
    with pytest.raises(RankError, match=r"R\^8"):
        gaussian_baseline(8, i, j)


@pytest.mark.parametrize(("d", "i", "j"), [(60, 4, 4), (60, 2, 5), (10, 4, 4), (13, 1, 5)])
def test_grids_are_those_of_gaussian_frames(d: int, i: int, j: int) -> None:
    """Second route: every frame drawn in full, and φ by loops. With d = 10 the frames overfill R^d."""
    layers, draws, width = 3, 3000, max(i, j)
    grids = gaussian_grids(d, layers, i, j, draws=draws, generator=seeded(5)).numpy()
    rng = np.random.default_rng(6)
    slow = np.empty((draws, layers, layers))
    for grid in slow:
        frames = [np.linalg.qr(rng.standard_normal((d, width))).Q for _ in range(layers)]
        for l, u in enumerate(frames):
            for m, v in enumerate(frames):
                grid[l, m] = ((u[:, :i].T @ v[:, :j]) ** 2).sum() / min(i, j)
    off = ~np.eye(layers, dtype=bool)
    assert kstest(grids[:, 0, 1], slow[:, 0, 1]).pvalue > 0.01
    assert kstest(grids[:, off].mean(1), slow[:, off].mean(1)).pvalue > 0.01
    assert kstest(grids[:, off].max(1), slow[:, off].max(1)).pvalue > 0.01
    closed = mean_off_diagonal_sd(d, layers, i, j)
    for sampled in (grids, slow):
        assert sampled[:, off].mean(1).std() == pytest.approx(closed, rel=0.06)


def test_one_layer_has_no_mean_off_the_diagonal() -> None:
    assert math.isnan(mean_off_diagonal_sd(20, 1, 4))


def test_the_mean_off_the_diagonal_does_not_know_whose_dimension_is_whose() -> None:
    assert mean_off_diagonal_sd(20, 3, 4, 2) == mean_off_diagonal_sd(20, 3, 2, 4)


def test_the_generator_decides() -> None:
    one, same, other = (
        gaussian_samples(30, 3, draws=4, generator=seeded(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("kind", [np.int16, np.uint16, np.int32, np.uint32, np.int64])
@pytest.mark.parametrize("d", [768, 30000])
def test_whole_numbers_of_numpy_do_not_overflow(kind: type, d: int) -> None:
    assert gaussian_baseline(kind(d), kind(8), kind(4)) == gaussian_baseline(d, 8, 4)
    assert type(gaussian_baseline(kind(d), 8).mean) is float


def test_none_is_no_dimension() -> None:
    with pytest.raises(LensError, match="d is None; expected a whole number"):
        gaussian_baseline(None, 8)  # type: ignore[arg-type]
