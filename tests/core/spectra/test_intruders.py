import numpy as np
import torch

from lora_lens.core.spectra.intruders import cosines_by_choice, largest_cosines, random_directions


def test_equals_loops_over_pairs() -> None:
    rng = np.random.default_rng(0)
    u0, u = (np.linalg.qr(rng.standard_normal((9, k)))[0] for k in (7, 4))
    slow = [max(abs(float(u0[:, i] @ u[:, j])) for i in range(7)) for j in range(4)]
    found = largest_cosines(torch.from_numpy(u0.T @ u))
    np.testing.assert_allclose(found, slow, atol=1e-14)


def test_a_sign_makes_no_intruder() -> None:
    u0 = torch.eye(5, dtype=torch.float64)
    np.testing.assert_allclose(largest_cosines(-u0[:, [3, 1]]), 1)


def test_what_equal_singular_values_leave_open_is_between_two_bounds() -> None:
    rng = np.random.default_rng(1)
    u0, u = (np.linalg.qr(rng.standard_normal((9, k)))[0] for k in (7, 4))
    runs = np.array([0, 0, 0, 1, 2, 2, 3])
    groups = [u0[:, runs == run] for run in range(4)]
    held = np.array([np.linalg.norm(group.T @ u, axis=0) for group in groups])
    spread = held / np.sqrt([[group.shape[1]] for group in groups])
    found = cosines_by_choice(torch.from_numpy(u0.T @ u), torch.from_numpy(runs))
    np.testing.assert_allclose(found, [spread.max(0), held.max(0)])


def test_random_directions_are_orthonormal_and_prefer_no_axis() -> None:
    frames = random_directions(5, 3, 4000, torch.Generator().manual_seed(0))
    torch.testing.assert_close(frames.mT @ frames, torch.eye(3).double().expand(4000, 3, 3))
    # Of uniform unit vectors in R^5: mean 0, mean square 1/5, mean fourth power 3/35; 5 standard errors.
    assert float(frames.mean(0).abs().max()) < 5 * np.sqrt(0.2 / 4000)
    np.testing.assert_allclose(frames.square().mean(0), 0.2, atol=5 * np.sqrt(0.0457 / 4000))
    np.testing.assert_allclose(frames.pow(4).mean(0), 3 / 35, atol=5 * 0.13 / np.sqrt(4000))
