from decimal import Decimal, localcontext

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lora_lens.core.spectra.intruders import random_directions
from lora_lens.core.spectra.row_changes import RowChanges, random_row_changes, row_changes

Array = NDArray[np.float64]


def exactly(w0: Array, delta: Array) -> tuple[float, float]:
    """Row by row as it is defined, in fifty digits."""
    with localcontext() as context:
        context.prec = 50
        longer, turned = Decimal(0), Decimal(0)
        rows = [
            (list(map(Decimal, w)), list(map(Decimal, d))) for w, d in zip(w0, delta, strict=True)
        ]
        for w, d in rows:
            after = [a + b for a, b in zip(w, d, strict=True)]
            norm, tuned = (sum(a * a for a in row).sqrt() for row in (w, after))
            longer += abs(tuned - norm)
            turned += 1 - sum(a * b for a, b in zip(w, after, strict=True)) / (norm * tuned)
        return float(longer / len(rows)), float(turned / len(rows))


def changes(w0: Array, delta: Array) -> Array:
    return np.array([float(one) for one in row_changes(*map(torch.from_numpy, (w0, delta)))])


@pytest.mark.parametrize("size", [1e-12, 1e-7, 1e-2, 1.0, 1e3])
def test_equals_its_definition_whatever_the_size(size: float) -> None:
    rng = np.random.default_rng(0)
    w0, delta = rng.standard_normal((2, 9, 7))
    delta *= size * np.linalg.norm(w0) / np.linalg.norm(delta)
    np.testing.assert_allclose(changes(w0, delta), exactly(w0, delta), rtol=1e-9)


def test_a_row_that_is_turned_round_and_one_that_is_lengthened() -> None:
    w0 = np.array([[1.0, 0.0], [0.0, 2.0]])
    np.testing.assert_allclose(changes(w0, np.array([[-3.0, 0.0], [0.0, 1.0]])), [1.0, 1.0])
    np.testing.assert_allclose(changes(w0, 0.25 * w0), [0.375, 0.0], atol=1e-15)
    np.testing.assert_allclose(changes(w0, np.array([[0.0, 3**0.5], [0.0, 0.0]])), [0.5, 0.25])
    np.testing.assert_allclose(changes(w0, np.array([[-1.0, 0.0], [0.0, 0.0]])), [0.5, 0.5])


def test_rows_of_zeros_are_left_out() -> None:
    rng = np.random.default_rng(1)
    w0, delta = rng.standard_normal((2, 6, 5))
    w0[[1, 4]] = 0
    keep = [0, 2, 3, 5]
    np.testing.assert_allclose(changes(w0, delta), changes(w0[keep], delta[keep]))
    assert np.isnan(changes(0 * w0, delta)).all()


@pytest.mark.parametrize(("shape", "k"), [((30, 20), 3), ((20, 30), 20), ((30, 20), 20)])
@pytest.mark.parametrize("size", [1e-7, 1.0])
def test_random_ones_equal_those_formed_densely(
    shape: tuple[int, int], k: int, size: float
) -> None:
    rng = np.random.default_rng(2)
    w0 = rng.standard_normal(shape)
    w0[3] = 0
    s = np.sort(rng.uniform(0.1, 1, k))[::-1] * size
    draws = 5
    found = random_row_changes(
        torch.from_numpy(w0), torch.from_numpy(s.copy()), draws, torch.Generator().manual_seed(4)
    )
    generator = torch.Generator().manual_seed(4)
    x, y = (random_directions(d, k, draws, generator).numpy() for d in shape)
    kept = np.arange(len(w0)) != 3
    dense = [exactly(w0[kept], ((x[n] * s) @ y[n].T)[kept]) for n in range(draws)]
    np.testing.assert_allclose(np.stack(found, axis=1), dense, rtol=1e-9)


def test_blocks_are_draws_like_any() -> None:
    """As many as take several blocks: the mean ΔD of small ΔW is half of ‖δ⊥‖² over ‖w0‖²."""
    rng = np.random.default_rng(3)
    w0 = rng.standard_normal((24, 16))
    s = np.array([0.02, 0.01])
    generator = torch.Generator().manual_seed(0)
    found: RowChanges = random_row_changes(
        torch.from_numpy(w0), torch.from_numpy(s), 600, generator
    )
    assert found.direction.shape == (600,)
    square = (s**2).sum() / 24 * (1 - 1 / 16)
    expected = (square / 2 / (w0**2).sum(1)).mean()
    error = float(found.direction.std()) / 600**0.5
    assert abs(float(found.direction.mean()) - expected) < 5 * error
