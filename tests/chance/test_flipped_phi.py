"""φ under flips: its mean in closed form, a slow dense route, its level where nothing is shared, and what it sees."""

import numpy as np
import pytest
import torch
from scipy import stats

from lora_lens.chance.flipped_phi import Pair, flipped_nulls, flipped_phi
from lora_lens.chance.flips import directions
from lora_lens.chance.gaussian_moments import gaussian_baseline
from lora_lens.core.similarity.phi_of_bases import phi_of_bases

SHAPES = {"square": (24, 24), "up": (30, 12), "down": (12, 30), "nearly": (13, 12)}
LOW = {"square": (24, 24, 10), "up": (30, 12, 7), "down": (12, 30, 7), "zero": (12, 12, 0)}


def normal(*shape: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def basis(rows: torch.Tensor) -> torch.Tensor:
    return torch.linalg.qr(rows).Q


def slow(w: torch.Tensor, pair: Pair, draws: int, seed: int) -> np.ndarray:
    """With all singular vectors, and a dense uniform rotation of those that W maps to nothing."""
    u, s, _ = torch.linalg.svd(w if pair.outputs else w.mT)
    rng, m = np.random.default_rng(seed), int((s > 1e-6 * s[0]).sum())
    values = []
    for _ in range(draws):
        turn = np.zeros((len(u), len(u)))
        turn[:m, :m] = np.diag(rng.integers(0, 2, m) * 2 - 1)
        if len(u) > m:
            turn[m:, m:] = stats.ortho_group.rvs(len(u) - m, random_state=rng) if len(u) > m + 1 else rng.choice([-1, 1])  # fmt: skip
        turned = u @ torch.from_numpy(turn) @ u.mT @ pair.one
        values.append(float(phi_of_bases(turned, pair.other)))
    return np.array(values)


@pytest.mark.parametrize("outputs", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_moments_and_law_are_those_of_dense_rotations(shape: str, outputs: bool) -> None:
    w = normal(*SHAPES[shape], seed=1)
    d = SHAPES[shape][0 if outputs else 1]
    one, other = basis(normal(d, 3, seed=2)), basis(normal(d, 4, seed=3))
    other = basis(other + 0.5 * one @ normal(3, 4, seed=4))  # alike, so that flips matter
    pair = Pair(one, other, outputs)
    of = directions(w)
    mean, drawn = flipped_phi(
        of if outputs else of.transposed, pair, 4000, torch.Generator().manual_seed(0)
    )
    dense = slow(w, pair, 1500, seed=5)
    assert abs(drawn.mean() - mean) < 4 * drawn.std() / 4000**0.5
    assert abs(dense.mean() - mean) < 4 * dense.std() / 1500**0.5
    assert stats.ks_2samp(drawn.numpy(), dense).pvalue > 0.001
    swapped, drawn = flipped_phi(
        of if outputs else of.transposed, Pair(other, one, outputs), 4000, torch.Generator()
    )
    assert swapped == pytest.approx(mean, rel=1e-12)
    assert stats.ks_2samp(drawn.numpy(), dense).pvalue > 0.001


@pytest.mark.parametrize("outputs", [True, False])
@pytest.mark.parametrize("shape", LOW)
def test_of_a_w_without_full_rank_rounding_decides_nothing(shape: str, outputs: bool) -> None:
    """Stored in float32, and with every entry one step of it off: what W lacks is one space, that of dense rotations."""
    out, wide, rank = LOW[shape]
    exact = normal(out, rank, seed=1) @ normal(rank, wide, seed=2)
    stored = exact.float()
    step = torch.where(normal(out, wide, seed=3) > 0, torch.inf, -torch.inf).float()
    d = out if outputs else wide
    one, other = basis(normal(d, 3, seed=4)), basis(normal(d, 4, seed=5))
    pair = Pair(one, basis(other + 0.5 * one @ normal(3, 4, seed=6)), outputs)
    found = []
    for w in (exact, stored, torch.nextafter(stored, step)):
        if rank:
            of = directions(w)
            assert of.s.shape == (rank,)
            assert not of.clusters
            assert len(directions(w.double(), cutoff=2**-23).s) == rank
        else:
            of = directions(exact)
        side = of if outputs else of.transposed
        found.append(flipped_phi(side, pair, 4000, torch.Generator().manual_seed(0)))
    (mean, drawn), *others = found
    for its_mean, its_draws in others:
        assert its_mean == pytest.approx(mean, abs=1e-5)
        torch.testing.assert_close(its_draws, drawn, atol=1e-5, rtol=0)
    dense = slow(exact, pair, 1500, seed=7)
    assert abs(drawn.mean() - mean) < 4 * drawn.std() / 4000**0.5
    assert abs(dense.mean() - mean) < 4 * dense.std() / 1500**0.5
    assert stats.ks_2samp(drawn.numpy(), dense).pvalue > 0.001


def test_equal_singular_values_leave_unrelated_subspaces() -> None:
    pair = Pair(basis(normal(20, 2, seed=1)), basis(normal(20, 3, seed=2)), True)
    mean, drawn = flipped_phi(directions(torch.eye(20)), pair, 4000, torch.Generator())
    known = gaussian_baseline(20, 2, 3)
    assert mean == pytest.approx(known.mean, abs=1e-12)
    assert float(drawn.std()) == pytest.approx(known.sd, rel=0.06)


def test_the_deviation_is_that_of_draws_and_of_their_mean_over_layers() -> None:
    line = torch.ones(2, 1) / 2**0.5
    of = directions(torch.diag(torch.tensor([2.0, 1.0])))
    places = [(of, {"B": Pair(line, line, True)})] * 4
    null = flipped_nulls(places, 50, seed=0)["B"]
    np.testing.assert_allclose(null.sd, null.drawn.std(0, ddof=1))
    assert null.mean_sd == pytest.approx(np.sqrt(np.mean(null.sd**2) / 4))
    assert len(null.drawn) == null.draws == 50


def leading(w: torch.Tensor, seed: int) -> torch.Tensor:
    """Along W's own leading directions, with nothing else in common."""
    return basis(w @ normal(w.shape[1], 4, seed=seed))


def p_value(ones: list[torch.Tensor], others: list[torch.Tensor], ws: list[torch.Tensor]) -> float:
    places = (
        (directions(w), {"B": Pair(*pair, True)}) for w, *pair in zip(ws, ones, others, strict=True)
    )
    null = flipped_nulls(places, 199, seed=0)["B"]
    observed = np.mean([float(phi_of_bases(*pair)) for pair in zip(ones, others, strict=True)])
    return float((1 + (null.samples.mean(1) >= observed).sum()) / 200)


def test_two_along_one_w_are_not_taken_for_alike() -> None:
    """300 pairs: p is uniform, where unrelated subspaces are rejected in every one."""
    ws = [normal(40, 40, seed=k) @ torch.diag(torch.logspace(0, -2, 40, dtype=torch.float64)) for k in range(3)]  # fmt: skip
    p, plain = [], []
    for n in range(300):
        ones, others = ([leading(w, seed=1000 * n + 10 * k + m) for k, w in enumerate(ws)] for m in (0, 5))  # fmt: skip
        p.append(p_value(ones, others, ws))
        plain.append(np.mean([float(phi_of_bases(*pair)) for pair in zip(ones, others, strict=True)]))  # fmt: skip
    assert stats.kstest(p, "uniform").pvalue > 0.001
    mean, sd = gaussian_baseline(40, 4)
    assert min(plain) > mean + 4 * sd / 3**0.5


def test_what_is_shared_beside_w_is_found() -> None:
    ws = [normal(40, 40, seed=k) for k in range(3)]
    found = []
    for n in range(20):
        ones = [leading(w, seed=100 * n + k) for k, w in enumerate(ws)]
        others = [basis(one + 0.4 * normal(40, 4, seed=100 * n + 50 + k) / 40**0.5 * 4) for k, one in enumerate(ones)]  # fmt: skip
        found.append(p_value(ones, others, ws) <= 0.01)
    assert all(found)
