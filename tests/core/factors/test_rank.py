import numpy as np
import pytest
import torch

from lora_lens import RankError, phi
from lora_lens.core.factors.rank import check_rank, numerical_rank, tied


def spread(rows: int, columns: int, condition: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    u = np.linalg.qr(rng.standard_normal((rows, columns))).Q
    v = np.linalg.qr(rng.standard_normal((columns, columns))).Q
    return (u * np.geomspace(1, 1 / condition, columns)) @ v.T


@pytest.mark.parametrize("columns", [8, 16, 64])
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_thin_factor_keeps_its_small_directions(columns: int, side: str) -> None:
    """What float32 leaves of a condition number of 1e4 is known to 1e-3, and φ of it computed as is."""
    x, y = (spread(4096, columns, 1e4, seed).astype(np.float32) for seed in (1, 2))
    u, v = (np.linalg.svd(m.astype(np.float64), full_matrices=False)[0] for m in (x, y))
    expected = ((u.T @ v) ** 2).sum() / columns
    found = phi(*((x, y) if side == "left" else (x.T, y.T)), columns, side=side)
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("rows", "columns", "rank"), [(4096, 8, 4), (768, 64, 60), (96, 96, 8)])
def test_rounding_of_a_product_is_no_rank(rows: int, columns: int, rank: int) -> None:
    rng = np.random.default_rng(3)
    for _ in range(3):
        gauge = rng.standard_normal((rank, rank))
        b = rng.standard_normal((rows, rank)) @ gauge
        a = np.linalg.inv(gauge) @ rng.standard_normal((rank, columns))
        product = b.astype(np.float32) @ a.astype(np.float32)
        assert int(numerical_rank(torch.from_numpy(product))) == rank


@pytest.mark.parametrize("shape", [(50, 50), (60, 40), (9, 70)])
def test_is_never_stricter_than_numpy(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(4)
    u, _, vh = np.linalg.svd(rng.standard_normal(shape), full_matrices=False)
    x = (u * np.geomspace(1, 1e-18, min(shape))) @ vh
    found, numpys = int(numerical_rank(torch.from_numpy(x))), np.linalg.matrix_rank(x)
    assert found >= numpys
    if max(shape) <= 8 * min(shape):
        assert found == numpys


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_a_tie_is_of_the_largest_of_them(scale: float) -> None:
    for apart, equal in ((8, True), (16, False)):
        s = scale * np.array([3.0, 2.0 + apart * 2.0**-52, 2.0, 0.0])
        assert bool(tied(s, 2, np.diag(s))) == equal, apart


def test_the_message_names_the_matrix() -> None:
    with pytest.raises(RankError, match=r"2 singular vectors of A, a 3x3 matrix of rank 1"):
        check_rank(torch.ones(3, 3), 2, name="A")
