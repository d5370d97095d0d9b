import numpy as np
import pytest
import torch
from planted import orthogonal

from lora_lens import RankError
from lora_lens.core.spectra.random_matrix import (
    gaussian_product_edge,
    marchenko_pastur_edge,
    projected_square_moments,
)


def test_singular_values_of_noise_end_at_the_edge() -> None:
    noise = 0.3 * np.random.default_rng(0).standard_normal((300, 200))
    edge = float(marchenko_pastur_edge(torch.tensor(np.linalg.norm(noise)), 300, 200))
    assert edge == pytest.approx(0.3 * (np.sqrt(300) + np.sqrt(200)), rel=0.02)
    assert np.linalg.svd(noise)[1][0] == pytest.approx(edge, rel=0.03)


def test_the_largest_of_a_gaussian_matrix_alone_is_above_its_edge_at_times() -> None:
    noise = np.random.default_rng(0).standard_normal((400, 24, 24))
    edges = marchenko_pastur_edge(torch.tensor(np.linalg.norm(noise, axis=(1, 2))), 24, 24)
    first, second = (np.linalg.svd(noise)[1] > edges.numpy()[:, None]).mean(0)[:2]
    assert 0.04 < first < 1 / 6  # .08 at this size
    assert second < 0.01


def test_products_of_gaussian_factors_stay_below_their_edge() -> None:
    rng = np.random.default_rng(1)
    rows, columns, rank = 384, 300, 8
    tops = []
    for _ in range(200):
        b, a = rng.standard_normal((rows, rank)), rng.standard_normal((columns, rank))
        s = np.linalg.svd(np.linalg.qr(b)[1] @ np.linalg.qr(a)[1].T)[1]
        norm = torch.tensor(np.linalg.norm(s), dtype=torch.float64)
        tops.append(s[0] / float(gaussian_product_edge(norm, rows, columns, rank)))
    assert max(tops) < 1
    assert np.mean(tops) > 0.8  # and not by far


def test_the_edge_of_factors_is_the_product_of_their_own_edges() -> None:
    b, a = (np.random.default_rng(k).standard_normal((3000, 16)) for k in (2, 3))
    norm = torch.tensor(np.linalg.norm(b @ a.T), dtype=torch.float64)
    edge = float(gaussian_product_edge(norm, 3000, 3000, 16))
    assert edge == pytest.approx(np.linalg.norm(b, 2) * np.linalg.norm(a, 2), rel=0.03)


def test_a_rank_one_product_has_all_its_norm_in_one_value() -> None:
    assert float(gaussian_product_edge(torch.tensor(2.0), 4, 9, 1)) == pytest.approx(
        2 * 1.5 * 4 / 3
    )
    with pytest.raises(RankError, match="at least 1"):
        gaussian_product_edge(torch.tensor(2.0), 4, 9, 0)


@pytest.mark.parametrize(("rows", "columns", "rank"), [(7, 5, 2), (4, 4, 3), (1, 6, 1), (6, 1, 1)])
def test_moments_of_random_directions_equal_sampling(rows: int, columns: int, rank: int) -> None:
    rng = np.random.default_rng(rows)
    w0 = rng.standard_normal((rows, columns)) * np.arange(1, columns + 1)
    draws = 8000
    u = np.linalg.qr(rng.standard_normal((draws, rows, rank)))[0]
    v = np.linalg.qr(rng.standard_normal((draws, columns, rank)))[0]
    squares = np.square(u.transpose(0, 2, 1) @ w0 @ v).sum((1, 2))
    s = torch.from_numpy(np.linalg.svd(w0)[1])
    mean, sd = projected_square_moments(s, rows, columns, rank)
    assert mean == pytest.approx(rank**2 * (w0**2).sum() / (rows * columns))
    assert mean == pytest.approx(squares.mean(), abs=5 * sd / np.sqrt(draws))
    assert sd == pytest.approx(squares.std(), rel=0.06)


def test_whole_spaces_leave_nothing_to_chance() -> None:
    w0 = np.random.default_rng(5).standard_normal((4, 4))
    mean, sd = projected_square_moments(torch.from_numpy(np.linalg.svd(w0)[1]), 4, 4, 4)
    assert mean == pytest.approx(np.linalg.norm(w0) ** 2)
    assert sd == 0
    for d in range(2, 40):  # the variance in closed form was rounding of some of these
        s = torch.from_numpy(np.random.default_rng(d).uniform(0, 1, d))
        assert projected_square_moments(s, d, d, d).sd == 0
    turned = orthogonal(4, np.random.default_rng(6)) @ w0
    assert np.linalg.norm(turned) ** 2 == pytest.approx(mean)
    with pytest.raises(RankError, match="dimension 5"):
        projected_square_moments(torch.ones(4), 4, 4, 5)
    for rows, columns in ((4, 6), (6, 4)):
        with pytest.raises(RankError, match=f"R\\^{rows} and R\\^{columns}"):
            projected_square_moments(torch.ones(4), rows, columns, 5)
