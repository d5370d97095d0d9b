"""What shared directions hold: known answers by construction, and chance by drawing adapters."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from planted import orthogonal
from torch import Tensor

from lora_lens.core.factors.subspace_iteration import leading_pair, shared_directions
from lora_lens.core.many_adapters.captured import (
    crossed,
    fitted_by_shared,
    left_out_by_shared,
    over_halvings,
    shares_of,
)
from lora_lens.core.many_adapters.captured_by_chance import (
    Peaks,
    chance_of_left_out,
    held_of_unrelated,
    uniform_rows,
)
from lora_lens.core.many_adapters.scatter import ScatterMatrix

D, OUT, RANK = 24, 10, 3


def scatter(deltas: list[np.ndarray]) -> tuple[ScatterMatrix, Tensor]:
    """Sums of the right side, and the sum of ΔW, by dense matrices."""
    unit = [delta / np.linalg.norm(delta) for delta in deltas]
    gram = torch.from_numpy(sum(delta.T @ delta for delta in unit))
    return ScatterMatrix(gram, len(unit)), torch.from_numpy(sum(unit))


def both(halves: Sequence[ScatterMatrix]) -> ScatterMatrix:
    """All adapters."""
    one, other = halves
    return ScatterMatrix(one.gram + other.gram, one.count + other.count)


def peaks(s: np.ndarray, different: int, copies: int = 1) -> Peaks:
    """Of adapters of these singular values, each of which is there so many times."""
    squared = different * copies**2
    return Peaks(different * copies, squared, squared * float(np.sum((s / np.linalg.norm(s)) ** 4)))


def test_directions_that_all_adapters_live_in_hold_all_also_of_those_left_out() -> None:
    rng = np.random.default_rng(0)
    shared = orthogonal(D, rng)[:, :4]
    halves = [
        scatter([rng.standard_normal((OUT, 4)) @ shared.T for _ in range(6)])[0] for _ in range(2)
    ]
    np.testing.assert_allclose(fitted_by_shared(both(halves), 8)[3:], 1, atol=1e-12)
    left_out = left_out_by_shared(*halves, 8)
    np.testing.assert_allclose(left_out[3:], 1, atol=1e-12)
    assert float(left_out[2]) < 1 - 1e-3


def test_adapters_that_are_plus_and_minus_one_have_shared_directions_and_no_mean() -> None:
    rng = np.random.default_rng(1)
    one = rng.standard_normal((OUT, RANK)) @ rng.standard_normal((RANK, D))
    halves, totals = zip(*(scatter([one, -one, one, -one]) for _ in range(2)), strict=True)
    assert float(left_out_by_shared(*halves, RANK)[-1]) == pytest.approx(1)
    beside = [half.beside(total) for half, total in zip(halves, totals, strict=True)]
    assert float(left_out_by_shared(*beside, RANK)[-1]) == pytest.approx(1)


def test_what_the_mean_explains_is_gone_beside_it() -> None:
    rng = np.random.default_rng(2)
    mean = rng.standard_normal((OUT, RANK)) @ rng.standard_normal((RANK, D))
    mean /= np.linalg.norm(mean)

    def near(count: int) -> list[np.ndarray]:
        own = [
            rng.standard_normal((OUT, RANK)) @ rng.standard_normal((RANK, D)) for _ in range(count)
        ]
        return [mean + one / np.linalg.norm(one) for one in own]

    halves, totals = zip(*(scatter(near(300)) for _ in range(2)), strict=True)
    held = left_out_by_shared(*halves, RANK)[-1]
    by_mean = crossed([leading_pair(total, RANK)[1] for total in totals], *halves)[-1]
    beside = [half.beside(total) for half, total in zip(halves, totals, strict=True)]
    left = left_out_by_shared(*beside, RANK)[-1]
    assert float(held) > 0.45
    assert float(by_mean) == pytest.approx(float(held), abs=0.02)
    assert float(left) == pytest.approx(RANK / D, abs=0.02)


def test_of_more_directions_than_a_half_has_nothing_is_said() -> None:
    """Two adapters of rank 3 have six: the seventh would be any of the eighteen that they have nothing along."""
    rng = np.random.default_rng(3)
    deltas = [rng.standard_normal((OUT, RANK)) @ rng.standard_normal((RANK, D)) for _ in range(5)]
    one, other = scatter(deltas[:2])[0], scatter(deltas[2:])[0]
    fitted, left_out = fitted_by_shared(both((one, other)), 16), left_out_by_shared(one, other, 16)
    assert (len(fitted), len(left_out)) == (16, 6)
    np.testing.assert_allclose(fitted[14:], 1, atol=1e-12)
    six = np.linalg.svd(np.concatenate(deltas[:2]))[2][:6]
    share = [np.linalg.norm(delta @ six.T) ** 2 / np.linalg.norm(delta) ** 2 for delta in deltas]
    best = np.linalg.eigh(other.gram.numpy())[1][:, -6:]
    back = [np.linalg.norm(delta @ best) ** 2 / np.linalg.norm(delta) ** 2 for delta in deltas]
    assert float(left_out[-1]) == pytest.approx(np.mean(back[:2] + share[2:]))


def test_beside_the_mean_of_one_adapter_in_float32s_gauges_there_is_nothing() -> None:
    """What was left of each was rounding, and had shares as any other."""
    rng = np.random.default_rng(4)
    a, b = rng.standard_normal((RANK, D)), rng.standard_normal((OUT, RANK))
    turns = [rng.standard_normal((RANK, RANK)) + 3 * np.eye(RANK) for _ in range(8)]
    deltas = [
        np.float64(np.float32(b @ np.linalg.inv(turn))) @ np.float32(turn @ a) for turn in turns
    ]
    halves, totals = zip(*(scatter(deltas[k::2]) for k in range(2)), strict=True)
    beside = [half.beside(total) for half, total in zip(halves, totals, strict=True)]
    assert all(float(half.energy) > 0 for half in beside)
    assert len(fitted_by_shared(both(beside), RANK)) == 0
    assert len(left_out_by_shared(*beside, RANK)) == 0


def test_rounding_of_each_of_many_adapters_is_nothing_of_all() -> None:
    for energy, k in ((0.9e-12, 0), (1.1e-12, D)):
        of_all = ScatterMatrix(300 * energy * torch.eye(D, dtype=torch.float64) / D, 300)
        assert len(fitted_by_shared(of_all, D)) == k


def test_centring_is_the_dense_one() -> None:
    rng = np.random.default_rng(3)
    deltas = [rng.standard_normal((OUT, D)) for _ in range(5)]
    unit = [delta / np.linalg.norm(delta) for delta in deltas]
    half, total = scatter(deltas)
    mean = sum(unit) / 5
    expected = sum((one - mean).T @ (one - mean) for one in unit)
    np.testing.assert_allclose(half.beside(total).gram, expected, atol=1e-12)


@pytest.mark.parametrize("copies", [1, 3])
def test_left_out_shares_of_unrelated_adapters_have_the_mean_that_is_said_and_no_larger_deviation(
    copies: int,
) -> None:
    rng = np.random.default_rng(4)
    s = np.array([2.0, 1.0, 0.5])
    z = []
    for _ in range(400):
        halves = [
            scatter([np.diag(s) @ orthogonal(D, rng)[:, :RANK].T for _ in range(5)] * copies)[0]
            for _ in range(2)
        ]
        chance = chance_of_left_out(D, peaks(s, 10, copies), 4)
        np.testing.assert_allclose(chance.mean, np.arange(1, 5) / D)
        z.append(((left_out_by_shared(*halves, 4) - chance.mean) / chance.sd).numpy())
    found = np.array(z)
    assert np.all(np.abs(found.mean(0)) < 4 / np.sqrt(400))
    assert np.all(found.std(0) < 1.08)
    assert np.all(found.std(0) > 0.5)


def test_the_deviation_of_one_half_is_exact() -> None:
    rng = np.random.default_rng(5)
    s = np.array([2.0, 1.0, 0.5])
    directions = torch.eye(D, dtype=torch.float64)[:, :4]
    drawn = []
    for _ in range(4000):
        half = scatter([np.diag(s) @ orthogonal(D, rng)[:, :RANK].T])[0]
        drawn.append(float(shares_of(directions, half)[-1]))
    alone = chance_of_left_out(D, peaks(s, 1), 4, met=1.0)
    assert np.mean(drawn) == pytest.approx(4 / D, abs=4 * np.std(drawn) / np.sqrt(4000))
    assert np.std(drawn) == pytest.approx(float(alone.sd[-1]), rel=0.05)


def test_drawn_adapters_keep_their_singular_values_and_nothing_else() -> None:
    weights = torch.tensor([[0.7, 0.3], [1.0, 0.0]], dtype=torch.float64)
    rows = uniform_rows(D, weights, torch.Generator().manual_seed(0))
    assert float(rows.square().sum()) == pytest.approx(2)
    again = uniform_rows(D, weights, torch.Generator().manual_seed(0))
    assert torch.equal(rows, again)
    one = uniform_rows(D, weights[:1], torch.Generator().manual_seed(3))
    np.testing.assert_allclose(np.linalg.svd(one.numpy())[1] ** 2, [0.7, 0.3], rtol=1e-10)


@pytest.mark.parametrize("count", [3, 9])  # spanning less than the space, and all of it
def test_what_the_best_directions_hold_of_unrelated_adapters(count: int) -> None:
    """Second route: the same draws as dense ΔW, one after the other."""
    rng = np.random.default_rng(7)
    weights = [torch.from_numpy(rng.dirichlet(np.ones(rank))) for rank in [3, 1, 4] * (count // 3)]
    found = held_of_unrelated(12, weights, 6, torch.Generator().manual_seed(5))
    drawn = torch.randn(
        count, 12, 4, generator=torch.Generator().manual_seed(5), dtype=torch.float64
    )
    frames = np.linalg.qr(drawn.numpy())[0]
    deltas = [q[:, : len(w)] * np.sqrt(w.numpy()) for q, w in zip(frames, weights, strict=True)]
    energies = np.linalg.svd(np.concatenate(deltas, axis=1))[1] ** 2
    np.testing.assert_allclose(found, energies[:6].cumsum() / count, rtol=1e-12)


def falling(d: int, decay: float) -> np.ndarray:
    return decay ** np.arange(d)


def test_of_energies_that_are_nearly_alike_the_best_are_found() -> None:
    """Rounds of an iteration miss some of what they hold."""
    gram = torch.from_numpy(np.cov(np.random.default_rng(8).standard_normal((600, 1500))))
    most = np.linalg.eigvalsh(gram.numpy())[::-1][:32].cumsum() / float(gram.trace())
    np.testing.assert_allclose(
        shares_of(shared_directions(gram, 32), ScatterMatrix(gram, 600)), most, rtol=1e-12
    )


@pytest.mark.parametrize("d", [40, 600])
def test_leading_directions_are_those_of_a_whole_decomposition(d: int) -> None:
    rng = np.random.default_rng(6)
    u, v = orthogonal(d, rng), orthogonal(d, rng)
    matrix = torch.from_numpy(u * falling(d, 0.7) @ v.T)
    left, right = leading_pair(matrix, 3)
    for found, expected in ((left, u), (right, v)):
        cosines = np.linalg.svd(found.numpy().T @ expected[:, :3], compute_uv=False)
        np.testing.assert_allclose(cosines, 1, atol=1e-8)
        np.testing.assert_allclose(
            np.abs(np.sum(found.numpy() * expected[:, :3], axis=0)), 1, atol=1e-6
        )
    shared = shared_directions(torch.from_numpy(u * falling(d, 0.7) @ u.T), 3)
    np.testing.assert_allclose(np.abs(np.sum(shared.numpy() * u[:, :3], axis=0)), 1, atol=1e-8)


def test_a_direction_that_holds_next_to_nothing_is_found_beside_one_that_holds_all() -> None:
    rng = np.random.default_rng(7)
    u, v = (orthogonal(200, rng)[:, :8] for _ in range(2))
    left, right = leading_pair(torch.from_numpy(u * falling(8, 0.1) @ v.T), 8)
    for found, expected in ((left, u), (right, v)):
        np.testing.assert_allclose(np.abs(np.sum(found.numpy() * expected, axis=0)), 1, atol=1e-12)


def test_over_halvings() -> None:
    shares = [torch.tensor(each, dtype=torch.float64) for each in ([0.1, 0.5], [0.2, 0.4], [0.6])]
    mean, sd = over_halvings(shares)
    assert mean.tolist() == pytest.approx([0.3])
    assert sd.tolist() == pytest.approx([np.std([0.1, 0.2, 0.6], ddof=1) / np.sqrt(3)])
    assert all(len(each) == 0 for each in over_halvings([shares[0][:0]] * 2))  # and no warning
    assert over_halvings(shares[:1])[1].isnan().all()
