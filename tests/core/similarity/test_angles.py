import numpy as np
import pytest
import scipy.linalg
import torch

from lora_lens import phi, principal_angles

EXACT = 1e-12  # float64 in, float64 out


def draw(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def test_a_hadamard_column_is_at_sixty_degrees_from_an_axis() -> None:
    hadamard = scipy.linalg.hadamard(4).astype(float)
    assert principal_angles(hadamard[:, :1], np.eye(4)[:, :1], 1)[0] == pytest.approx(np.pi / 3)


def test_equals_scipy_subspace_angles() -> None:
    x, y = draw(4, 30, 5), draw(5, 30, 5)
    expected = scipy.linalg.subspace_angles(x, y)[::-1]
    np.testing.assert_allclose(principal_angles(x, y, 5), expected, atol=1e-10)
    assert phi(x, y, 5) == pytest.approx((np.cos(expected) ** 2).mean(), abs=EXACT)


def test_small_angles_keep_their_digits() -> None:
    x = np.eye(5)[:, :2]
    y = x + 1e-9 * np.eye(5)[:, 2:4]
    np.testing.assert_allclose(principal_angles(x, y, 2), [1e-9, 1e-9], rtol=1e-5)


def test_angles_of_unequal_dimensions_equal_scipy() -> None:
    x, y = draw(6, 30, 2), draw(7, 30, 5)
    expected = scipy.linalg.subspace_angles(x, y)[::-1]
    np.testing.assert_allclose(principal_angles(x, y, 2, 5), expected, atol=1e-10)


def test_an_angle_has_its_gradient_beside_one_of_zero() -> None:
    x = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.5]], dtype=torch.float64, requires_grad=True)
    y = torch.eye(3, dtype=torch.float64)[:, :2]
    angles = principal_angles(x, y, 2)
    angles[1].backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()
    # The angle of (0, 1, t) to the plane is arctan t, of slope 1/(1 + t²) = .8.
    assert x.grad[2, 1].item() == pytest.approx(0.8)
