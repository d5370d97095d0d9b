import numpy as np
import pytest
import torch
from slow_routes import conditioned_batch

from lora_lens.core.condition import condition_number
from lora_lens.core.factoring import factor
from lora_lens.core.lanczos import largest_singular_value
from lora_lens.core.precision import singular_cutoff

F64 = singular_cutoff(torch.float64, torch.float64, (30, 30))


@pytest.mark.parametrize(("rows", "columns"), [(30, 30), (40, 30), (30, 40), (3, 3), (1, 4)])
def test_condition_numbers_equal_numpy(rows: int, columns: int) -> None:
    w0 = conditioned_batch(rows, columns, (1.0, 1e2, 1e6))
    got = condition_number(factor(torch.from_numpy(w0), F64))
    np.testing.assert_allclose(got, np.linalg.cond(w0), rtol=1e-7)


def test_condition_number_of_a_plain_gaussian_whose_top_is_crowded() -> None:
    w0 = np.random.default_rng(3).standard_normal((4, 200, 200))
    got = condition_number(factor(torch.from_numpy(w0), F64))
    np.testing.assert_allclose(got, np.linalg.cond(w0), rtol=1e-9)


def test_lanczos_finds_a_degenerate_norm() -> None:
    m = torch.eye(9, dtype=torch.float64)[None] * 3
    value = largest_singular_value(lambda v: m.mT @ (m @ v), m, tolerance=1e-5)
    assert value.item() == pytest.approx(3, rel=1e-12)


def test_condition_numbers_where_the_krylov_space_is_soon_exhausted() -> None:
    few = np.stack([np.eye(40), np.diag([1.0] * 39 + [1e-3]), np.diag([2.0] * 20 + [1.0] * 20)])
    got = condition_number(factor(torch.from_numpy(few), F64))
    np.testing.assert_allclose(got, [1, 1e3, 2], rtol=1e-9)
    big = condition_number(factor(torch.eye(384, dtype=torch.float64)[None], F64))
    assert big.item() == pytest.approx(1, rel=1e-9)


@pytest.mark.parametrize("spectrum", ["gaussian", "even", "one outlier", "four tiny"])
@pytest.mark.parametrize("rows", [600, 800])
def test_two_digits_of_a_wide_one(spectrum: str, rows: int) -> None:
    """Crowded ends are the hard case: there Lanczos comes from below."""
    rng = np.random.default_rng(5)
    w0 = rng.standard_normal((rows, 600))
    if spectrum != "gaussian":
        u, _, vh = np.linalg.svd(w0, full_matrices=False)
        s = np.geomspace(1, 1e-5, 600)
        if spectrum == "one outlier":
            s = np.r_[1.02, np.linspace(1, 0.01, 599)]
        if spectrum == "four tiny":
            s = np.r_[np.linspace(1, 0.1, 596), [1e-5] * 4]
        w0 = (u * s) @ vh
    found = condition_number(factor(torch.from_numpy(w0)[None], F64)).item()
    expected = np.linalg.cond(w0)
    assert 0.97 * expected < found < (1 + 1e-6) * expected
