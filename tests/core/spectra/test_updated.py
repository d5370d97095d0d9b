"""W0 + ΔW from W0's SVD, beside a decomposition of the sum."""

import numpy as np
import pytest
import torch
from planted import orthogonal
from torch import Tensor

from lora_lens.core.spectra.updated import Updated

SHAPES = [(60, 60), (80, 50), (50, 80), (61, 60)]


def made(shape: tuple[int, int], r: int, size: float, kind: str, seed: int) -> tuple[Tensor, ...]:
    """W0 with a bulk, a fast decay or a few large directions, and ΔW's factors."""
    rng = np.random.default_rng([seed, r, *shape])
    w0 = rng.standard_normal(shape)
    if kind == "decaying":
        u, s, vh = np.linalg.svd(w0, full_matrices=False)
        w0 = u * np.logspace(0, -4, len(s)) @ vh
    elif kind == "peaked":
        w0[:, :4] *= 20
    x, y = (size * rng.standard_normal((d, r)) for d in shape)
    return tuple(map(torch.from_numpy, (w0, x, y)))


@pytest.mark.parametrize("kind", ["bulk", "decaying", "peaked"])
@pytest.mark.parametrize("size", [1e-4, 0.03, 0.3, 2.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_equals_a_decomposition_of_the_sum(shape: tuple[int, int], size: float, kind: str) -> None:
    found_at_all = 0
    for seed, (r, k) in enumerate([(1, 1), (3, 5), (8, 10), (1, 10)]):
        w0, x, y = made(shape, r, size, kind, seed)
        base = torch.linalg.svd(w0, full_matrices=False)
        u, s, _ = torch.linalg.svd(w0 + x @ y.mT, full_matrices=False)
        updated = Updated.of(*base, x, y)
        assert float(updated.frobenius_norm()) == pytest.approx(float(s.norm()), rel=1e-12)
        for at in (0, 3, 20, 48):
            edge = float(s[at] + s[at + 1]) / 2
            assert updated.count_above(edge) in (at + 1, None)
        if (found := updated.leading(k)) is None:
            continue
        found_at_all += 1
        torch.testing.assert_close(found.s, s[:k], rtol=1e-11, atol=0)
        apart = float((s[:k] - s[1 : k + 1]).min() / s[0])
        away = found.along.abs() - (base.U.mT @ u[:, :k]).abs()
        assert float(away.abs().max()) < 1e-12 / apart + 1e-12
    assert found_at_all


def test_without_a_change_they_are_w0s() -> None:
    w0, _, _ = made((40, 30), 1, 1.0, "bulk", 0)
    base = torch.linalg.svd(w0, full_matrices=False)
    found = Updated.of(*base, torch.zeros(40, 0).double(), torch.zeros(30, 0).double()).leading(3)
    assert found is not None
    torch.testing.assert_close(found.along.abs(), torch.eye(30, 3).double(), atol=1e-9, rtol=0)


@pytest.mark.parametrize("k", [1, 4])
def test_which_of_equal_ones_lead_is_left_to_a_decomposition(k: int) -> None:
    """All of W0's are 1, and ΔW makes three others."""
    rng = np.random.default_rng(5)
    base = torch.linalg.svd(torch.from_numpy(orthogonal(40, rng)))
    x, y = (torch.from_numpy(rng.standard_normal((40, 3))) for _ in range(2))
    updated = Updated.of(*base, x, y)
    found = updated.leading(k)
    if k == 4:
        assert found is None
    else:
        assert found is not None
        whole = torch.linalg.svd((base.U * base.S) @ base.Vh + x @ y.mT)
        torch.testing.assert_close(found.s, whole.S[:1], rtol=1e-12, atol=0)
    assert updated.count_above(1.0) is None  # rounding would decide


def test_a_direction_that_the_first_subspace_misses_is_not_missed() -> None:
    """Two that ΔW raises from the midst of the bulk, in a subspace that begins with the leading ones."""
    s0 = torch.linspace(2.0, 1.0, 100, dtype=torch.float64)
    x = torch.zeros(100, 2, dtype=torch.float64)
    x[70, 0] = x[80, 1] = 1.0
    found = Updated.of(torch.eye(100).double(), s0, torch.eye(100).double(), x, 3 * x).leading(2)
    assert found is not None
    assert found.along.abs().argmax(0).tolist() == [70, 80]


@pytest.mark.parametrize(("scale", "size"), [(1.0, 1e9), (1e-9, 1.0), (1e-20, 1e-3), (1e20, 1e3)])
def test_counts_do_not_depend_on_how_large_either_is(scale: float, size: float) -> None:
    """Rounding beside ΔW's singular values squared had a say in them."""
    for seed in range(20):
        w0, x, y = made((64, 80), 4, 1.0, "bulk", seed)
        w0, x, y = scale * w0, scale * size * x, torch.linalg.qr(y).Q
        s = torch.linalg.svdvals(w0 + x @ y.mT)
        updated = Updated.of(*torch.linalg.svd(w0, full_matrices=False), x, y)
        for at in (0, 3, 4, 20):
            assert updated.count_above(float(s[at] * s[at + 1]) ** 0.5) in (at + 1, None)


def test_the_norm_of_what_a_change_leaves_is_exact() -> None:
    """ΔW takes W0's first direction away, a hundred million times the others."""
    w0, _, _ = made((40, 30), 1, 1.0, "bulk", 3)
    u, s, vh = torch.linalg.svd(w0, full_matrices=False)
    s[0] = 1e8
    updated = Updated.of(u, s, vh, -s[0] * u[:, :1], vh[:1].mT)
    assert float(updated.frobenius_norm()) == pytest.approx(float(s[1:].norm()), rel=1e-7)


def test_leading_ones_that_are_small_beside_the_first_are_left_to_a_decomposition() -> None:
    w0, x, y = made((60, 60), 1, 1.0, "bulk", 4)
    base = torch.linalg.svd(w0)
    assert Updated.of(*base, 1e4 * x, y).leading(2) is None
    assert Updated.of(*base, 1e4 * x, y).leading(1) is not None


def test_vectors_that_are_not_the_leading_ones_are_not_taken_for_them() -> None:
    """The second and third, each found exactly, where the first was missed."""
    w0, x, y = made((40, 40), 2, 0.3, "bulk", 6)
    base = torch.linalg.svd(w0)
    updated = Updated.of(*base, x, y)
    u, s, _ = torch.linalg.svd(w0 + x @ y.mT)
    found = base.U.mT @ u
    assert updated._checked(s, found[:, :2], 2) is not None
    assert updated._checked(s[1:], found[:, 1:3], 2) is None
