"""Bases of two spaces, batches that do not go together, and lists of tensors."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch

from lora_lens import LensError, phi, phi_grid, phi_matrix, principal_angles
from lora_lens.core.numbers.checked import stacked

X, Y = np.random.default_rng(0).standard_normal((2, 5, 20, 6))
ASKED = [partial(phi, i=3), phi_grid, partial(principal_angles, i=3)]


@pytest.mark.parametrize("ask", [*ASKED, partial(phi_matrix, i=3)])
def test_two_spaces_are_a_line(ask: Callable[..., object]) -> None:
    with pytest.raises(LensError, match="spaces of 20 and 10 dimensions on the left side"):
        ask(X, Y[:, :10])


@pytest.mark.parametrize("ask", ASKED)
def test_batches_that_do_not_broadcast_are_a_line(ask: Callable[..., object]) -> None:
    with pytest.raises(LensError, match=r"leading axes \(3,\) and \(4,\), which do not broadcast"):
        ask(X[:3], Y[:4])


def test_layers_may_be_any_number_but_not_what_is_before_them() -> None:
    assert phi_matrix(X[:3], Y[:4], i=3).shape == (3, 4)
    with pytest.raises(LensError, match=r"leading axes \(3,\) and \(2,\)"):
        phi_matrix(np.stack([X] * 3), np.stack([Y] * 2), i=3)


@pytest.mark.parametrize("ask", [*ASKED, partial(phi_matrix, i=3)])
def test_a_list_of_tensors_is_one_with_its_gradient(ask: Callable[..., torch.Tensor]) -> None:
    x = [torch.from_numpy(one).requires_grad_() for one in X]
    found = ask(x, x[::-1])
    torch.testing.assert_close(found, ask(torch.stack(x), torch.stack(x[::-1])), rtol=0, atol=0)
    found.sum().backward()
    assert x[0].grad is not None
    torch.testing.assert_close(stacked(x=[x, x])[0], torch.stack([torch.stack(x)] * 2))


def test_a_list_of_tensors_that_are_not_alike_is_a_line() -> None:
    with pytest.raises(LensError, match=r"x is a list of tensors that are not alike: \(2, 2\)"):
        phi_matrix([torch.eye(2), torch.eye(3)], i=1)
