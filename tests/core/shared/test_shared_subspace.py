import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import subspace_angles

from lora_lens import phi
from lora_lens.core.shared import shared_subspace
from lora_lens.core.shared.shared_subspace import shared_basis, shared_shares


def bases(
    layers: int, d: int, r: int, seed: int, *, common: float = 1.0, batch: tuple[int, ...] = ()
) -> torch.Tensor:
    """Subspaces with a part in common, so that the leading eigenvalues are well apart."""
    generator = torch.Generator().manual_seed(seed)
    shared = torch.randn(*batch, 1, d, r, generator=generator, dtype=torch.float64)
    shared = shared * torch.linspace(3, 1, r, dtype=torch.float64)
    own = torch.randn(*batch, layers, d, r, generator=generator, dtype=torch.float64)
    return torch.linalg.qr(common * shared + own).Q


def dense_theta(u: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Second route: the d×d mean projector, decomposed."""
    values, vectors = np.linalg.eigh(np.mean([one @ one.T for one in u], axis=0))
    return values[::-1], vectors[:, ::-1][:, :k]


def captured_by_angles(theta: np.ndarray, one: np.ndarray) -> float:
    """Σ cos² of scipy's principal angles, over r."""
    return float((np.cos(subspace_angles(theta, one)) ** 2).sum() / one.shape[1])


SHAPES = [(5, 30, 3, 3), (5, 30, 3, 1), (5, 30, 3, 7), (2, 9, 4, 4), (6, 10, 3, 3), (4, 8, 4, 5)]


@pytest.mark.parametrize(("layers", "d", "r", "k"), SHAPES)
def test_equals_the_dense_mean_projector_and_principal_angles(
    layers: int, d: int, r: int, k: int
) -> None:
    u = bases(layers, d, r, seed=layers * d + k)
    found = shared_shares(u, k)
    dense = u.numpy()
    values, theta = dense_theta(dense, k)
    assert found.eigenvalues.shape == (min(d, layers * r),)
    np.testing.assert_allclose(found.eigenvalues, values[: min(d, layers * r)], atol=1e-12)
    assert float(found.eigenvalues.sum()) == pytest.approx(r)
    np.testing.assert_allclose(
        found.captured, [captured_by_angles(theta, one) for one in dense], atol=1e-10
    )
    share = float(found.eigenvalues[:k].sum() / r)
    assert float(found.captured.mean()) == pytest.approx(share, abs=1e-12)
    for layer in range(layers):
        others = np.delete(dense, layer, axis=0)
        expected = captured_by_angles(dense_theta(others, k)[1], dense[layer])
        assert float(found.left_out[layer]) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize(("layers", "d", "r", "k"), SHAPES)
def test_theta_is_the_dense_one(layers: int, d: int, r: int, k: int) -> None:
    u = bases(layers, d, r, seed=layers * d + k)
    theta = shared_basis(u, k).numpy()
    assert theta.shape == (d, k)
    np.testing.assert_allclose(theta.T @ theta, np.eye(k), atol=1e-12)
    values, expected = dense_theta(u.numpy(), k)
    np.testing.assert_allclose(theta @ theta.T, expected @ expected.T, atol=1e-9)
    mean = np.mean([one @ one.T for one in u.numpy()], axis=0)
    # Each column is an eigenvector of its own, the largest eigenvalue first.
    np.testing.assert_allclose(mean @ theta, theta * values[:k], atol=1e-10)


def test_one_subspace_in_all_layers_is_captured_whole_in_any_gauge() -> None:
    one = bases(1, 20, 4, seed=1)
    turns = torch.linalg.qr(torch.randn(5, 4, 4, dtype=torch.float64)).Q
    found = shared_shares(one @ turns, 4)
    for values in (found.captured, found.left_out, found.eigenvalues[:4]):
        np.testing.assert_allclose(values, 1, atol=1e-12)
    np.testing.assert_allclose(found.eigenvalues[4:], 0, atol=1e-12)
    theta = shared_basis(one @ turns, 4)
    assert float(phi(theta, one[0], 4)) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_directions_that_no_layer_has_are_not_made_up(dtype: torch.dtype) -> None:
    """One subspace in all layers, and a wider layer to share: the rest of it is rounding."""
    one = bases(1, 20, 3, seed=2)
    turns = torch.linalg.qr(torch.randn(4, 3, 3, dtype=torch.float64)).Q
    same = (one @ turns).to(dtype)
    assert shared_basis(same, 6).shape == (20, 3)
    np.testing.assert_allclose(shared_shares(same, 6).left_out, 1, atol=1e-5)
    # A layer orthogonal to all others: what their θ has to spare must not reach it.
    q = torch.linalg.qr(torch.randn(20, 6, dtype=torch.float64)).Q
    apart = torch.stack([q[:, :3]] * 3 + [q[:, 3:]]).to(dtype)
    assert float(shared_shares(apart, 5).left_out[-1]) == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize(("layers", "d", "r"), [(4, 12, 3), (4, 30, 3), (2, 10, 5), (1, 6, 2)])
def test_orthogonal_subspaces_share_one_part_in_l(layers: int, d: int, r: int) -> None:
    q = torch.linalg.qr(bases(1, d, layers * r, seed=3)[0]).Q
    u = q.unflatten(-1, (layers, r)).movedim(-2, 0)
    found = shared_shares(u, r)
    np.testing.assert_allclose(found.eigenvalues, 1 / layers, atol=1e-12)
    assert float(found.captured.mean()) == pytest.approx(1 / layers, abs=1e-12)
    if layers > 1:
        np.testing.assert_allclose(found.left_out, 0, atol=1e-12)
    else:
        assert torch.isnan(found.left_out).all()


def test_two_layers_have_the_principal_angles_in_their_eigenvalues() -> None:
    u = bases(2, 15, 3, seed=4)
    cosines = np.cos(subspace_angles(u[0].numpy(), u[1].numpy()))
    found = shared_shares(u, 3)
    expected = np.sort(np.concatenate([(1 + cosines) / 2, (1 - cosines) / 2]))[::-1]
    np.testing.assert_allclose(found.eigenvalues, expected, atol=1e-12)
    np.testing.assert_allclose(found.left_out, float(phi(u[0], u[1], 3)), atol=1e-12)


def test_no_other_subspace_captures_more_on_average() -> None:
    u = bases(5, 12, 3, seed=5)
    best = shared_shares(u, 3).captured.mean()
    theta = shared_basis(u, 3)
    generator = torch.Generator().manual_seed(0)
    for step in (10.0, 0.3, 1e-3):
        away = step * torch.randn(200, 12, 3, generator=generator, dtype=torch.float64)
        others = torch.linalg.qr(theta + away).Q
        captured = (others.mT[:, None] @ u).square().sum((-2, -1)).mean(-1) / 3
        assert (captured <= best + 1e-12).all()


def test_a_batch_is_each_of_its_own_in_any_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    u = bases(3, 10, 2, seed=6, batch=(2, 4))
    monkeypatch.setattr(shared_subspace, "_ENTRIES", 3 * 36)
    together = shared_shares(u, 2)
    for x in range(2):
        for y in range(4):
            for part, alone in zip(together, shared_shares(u[x, y], 2), strict=True):
                np.testing.assert_allclose(part[x, y], alone, atol=1e-12)


@given(
    layers=st.integers(2, 5),
    d=st.integers(3, 14),
    r=st.integers(1, 3),
    extra=st.integers(0, 3),
    seed=st.integers(0, 10**6),
    common=st.sampled_from([0.0, 0.5, 100.0]),
)
@settings(max_examples=60, deadline=None)
def test_bounds_and_invariance(
    layers: int, d: int, r: int, extra: int, seed: int, common: float
) -> None:
    u = bases(layers, d, r, seed, common=common)
    k = min(d, (layers - 1) * r, 1 + extra)
    found = shared_shares(u, k)
    share = found.eigenvalues[:k].sum() / r
    assert k / min(layers * r, d) - 1e-9 <= share <= min(1, k / r) + 1e-9
    for values in found:
        assert ((values >= 0) & (values <= 1)).all()
    assert (found.eigenvalues.diff() <= 1e-12).all()
    turn = torch.linalg.qr(bases(1, d, d, seed + 1)[0]).Q
    gauge = torch.linalg.qr(torch.randn(layers, r, r, dtype=torch.float64)).Q
    same = shared_shares(turn @ u @ gauge, k)
    np.testing.assert_allclose(found.eigenvalues, same.eigenvalues, atol=1e-9)
    gaps = [dense_gap(u.numpy(), k)]
    gaps += [dense_gap(np.delete(u.numpy(), layer, axis=0), k) for layer in range(layers)]
    if gaps[0] > 1e-4:  # else θ is not unique, and neither are the layers' own shares
        np.testing.assert_allclose(found.captured, same.captured, atol=1e-8)
    for layer in range(layers):
        if gaps[layer + 1] > 1e-4:
            np.testing.assert_allclose(found.left_out[layer], same.left_out[layer], atol=1e-8)


def dense_gap(u: np.ndarray, k: int) -> float:
    values, _ = dense_theta(u, k)
    return float(values[k - 1] - (values[k] if k < len(values) else 0))


def test_iterated_shares_err_far_less_than_draws_scatter() -> None:
    u = bases(12, 96, 4, seed=7, common=0.0, batch=(8,))
    exact, iterated = shared_shares(u, 4), shared_shares(u, 4, exact=False)
    for values in ("captured", "eigenvalues"):  # float32
        found, expected = getattr(iterated, values), getattr(exact, values)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    error = iterated.left_out - exact.left_out
    assert 0 < float(error.abs().max()) < 0.05 * float(exact.left_out.std())
    assert abs(float(error.mean())) < 0.02 * float(exact.left_out.mean(-1).std())
