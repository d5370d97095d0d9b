import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lora_lens import RankError, gaussian_baseline, gaussian_samples
from lora_lens.core.baseline import null_grids
from lora_lens.core.subspace import orthonormal_basis


def test_known_values() -> None:
    assert gaussian_baseline(384, 8) == pytest.approx((0.0208, 0.0036), abs=5e-5)
    assert gaussian_baseline(768, 8).mean == pytest.approx(0.0104, abs=5e-5)
    assert gaussian_baseline(5, 5, 2) == (1.0, 0.0)
    assert gaussian_baseline(1, 1) == (1.0, 0.0)


@pytest.mark.parametrize(("d", "i", "j"), [(40, 8, 8), (20, 2, 7), (24, 12, 3), (8, 8, 8)])
def test_closed_form_agrees_with_sampling(d: int, i: int, j: int) -> None:
    draws = 4000
    phi = gaussian_samples(d, i, j, draws=draws, generator=torch.Generator().manual_seed(1))
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


def test_grids_compare_layers_within_a_draw_and_a_layer_with_its_next_draw() -> None:
    x = torch.randn(5, 3, 20, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    u = orthonormal_basis(x, 2)
    grids = null_grids(u, u)

    def phi(a: torch.Tensor, b: torch.Tensor) -> float:
        return float((a.T @ b).square().sum() / 2)

    expected = np.array(
        [
            [
                [
                    phi(u[t, l], u[t, m]) if l != m else phi(u[t, l], u[(t + 1) % 5, l])
                    for m in range(3)
                ]
                for l in range(3)
            ]
            for t in range(5)
        ]
    )
    np.testing.assert_allclose(grids, expected, atol=1e-12)
