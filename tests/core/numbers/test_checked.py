"""Tensors that torch keeps otherwise than as numbers one by one."""

import warnings

import numpy as np
import pytest
import torch
from torch import Tensor

from lora_lens import LensError, conversion_matrices, phi
from lora_lens.core.numbers.checked import as_tensors


def quantized() -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch will take it away
        return torch.quantize_per_tensor(torch.eye(3), 0.1, 0, torch.qint8)


def nested() -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is a prototype
        return torch.nested.nested_tensor([torch.eye(3), torch.eye(3)])


class OnApples(Tensor):
    """One that says so, and can do nothing."""

    @classmethod
    def __torch_dispatch__(cls, op, _, args=(), kwargs=None):
        raise NotImplementedError(f"{op} is not currently implemented for the MPS device")


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (
            lambda: Tensor._make_wrapper_subclass(OnApples, (3, 3), device="mps"),
            r"x is on mps, which has no float64 and not all decompositions; pass x.cpu\(\)",
        ),
        (lambda: torch.eye(3).to_sparse(), r"x is not dense \(torch.sparse_coo\); pass x.to_dense"),
        (lambda: torch.eye(3, device="meta"), "x is on the device meta"),
        (quantized, r"x is quantized \(torch.qint8\); pass x.dequantize"),
        (nested, "x is nested; pass its matrices one by one"),
        (
            lambda: torch.zeros(3, 3, dtype=torch.uint4),
            "x is of torch.uint4, which torch stores alone",
        ),
        (
            lambda: torch.zeros(3, 3, dtype=torch.bits8),
            "x is of torch.bits8, which torch stores alone",
        ),
    ],
)
def test_what_has_no_numbers_at_hand_is_refused_in_a_line(kept, said) -> None:
    with pytest.raises(LensError, match=said):
        as_tensors(x=kept())


def test_sparse_columns_are_refused_too() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that they are in beta
        x = torch.eye(3).to_sparse_csr()
    with pytest.raises(LensError, match="not dense"):
        as_tensors(x=x)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_eight_bits_are_numbers(dtype: torch.dtype) -> None:
    """They hold small integers exactly, but torch computes nothing with them."""
    w0 = torch.tensor([[4.0, 1.0], [0.0, 2.0]])
    a, b = torch.tensor([[1.0, 3.0]]), torch.tensor([[2.0], [1.0]])
    found = conversion_matrices(w0.to(dtype), a.to(dtype), b.to(dtype))
    expected = torch.linalg.inv(w0) @ b
    torch.testing.assert_close(found.b.float(), expected)
    assert phi(b.to(dtype), expected, 1).item() == pytest.approx(
        (b.mT @ expected).item() ** 2 / (b.norm() * expected.norm()).item() ** 2
    )


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128, np.clongdouble])
def test_complex_numbers_are_refused_whatever_their_length(dtype: type) -> None:
    with pytest.raises(LensError, match="x is complex; expected a real matrix"):
        phi(np.eye(3, dtype=dtype), np.eye(3, dtype=dtype), 1)
