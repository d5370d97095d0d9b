"""On which device, and in which precision, an analysis computes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..arrays import Tensor
from ..errors import LensError
from ..printable import first_line

if TYPE_CHECKING:
    import torch

_DTYPES = ("float64", "float32")
_DEVICES = ("cpu", "cuda", "mps", "xpu", "hpu", "npu", "privateuseone")  # torch's, that compute


class Where(NamedTuple):
    """Where to compute, and in which precision."""

    device: torch.device
    dtype: torch.dtype

    def take(self, tensor: Tensor) -> Tensor:
        """`tensor` there and in it."""
        return tensor.to(self.device, self.dtype)

    def stack(self, tensors: Sequence[Tensor], into: Tensor | None = None) -> Tensor:
        """Equal tensors on top of each other, there and in it, each copied once.

        Args:
            tensors: Of one shape.
            into: What was stacked before, and is not needed any more, of at least as many: pages that
                are new to the process take several times as long as the copy.
        """
        if into is None:
            import torch

            shape = (len(tensors), *tensors[0].shape)
            into = torch.empty(shape, device=self.device, dtype=self.dtype)
        stacked = into[: len(tensors)]
        for place, tensor in zip(stacked, tensors, strict=True):
            place.copy_(_on_card(tensor, self.device) if self.device.type == "cuda" else tensor)
        return stacked


def _on_card(tensor: Tensor, card: torch.device) -> Tensor:
    """A tensor on the card in its own dtype, a quarter of float64's bytes, as which a copy into float64 would travel.

    By pinned pages, which the card reads by itself, where the system has any left to pin.
    """
    import torch

    try:
        pinned = torch.empty_like(tensor, device="cpu", pin_memory=True)
    except RuntimeError:
        return tensor.to(card)
    return pinned.copy_(tensor).to(card, non_blocking=True)


def select_device(device: str, dtype: str) -> Where:
    """The device and dtype named; ``auto`` is a CUDA GPU if there is one, else the CPU.

    Raises:
        LensError: The device is not there, or has not that dtype; or it is ``mps``, which has no float64, which
            most questions need somewhere.

    Example:
        >>> select_device("cpu", "float64")
        Where(device=device(type='cpu'), dtype=torch.float64)
    """
    import torch

    check_dtype(dtype)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    kind = str(device).partition(":")[0]
    if kind not in _DEVICES:
        raise LensError(f"device is {device!r}, expected auto, cpu, cuda or cuda:1")
    if kind == "mps":
        raise LensError(
            f"device {device!r} has no float64 and not all decompositions that are needed; use auto or cpu"
        )
    try:
        where = Where(torch.device(device), getattr(torch, dtype))
        torch.zeros(1, device=where.device, dtype=where.dtype).sum().item()
    except (RuntimeError, AssertionError, NotImplementedError, TypeError, ImportError) as error:
        raise LensError(
            f"device {device!r} cannot be used with {dtype}: {first_line(error)}; auto takes what can"
        ) from None
    return where


def check_dtype(dtype: str) -> None:
    """Raise LensError unless it is a precision to compute in.

    Example:
        >>> check_dtype("float16")
        Traceback (most recent call last):
        ...
        lora_lens.errors.LensError: dtype is 'float16', expected one of float64, float32
    """
    if dtype not in _DTYPES:
        raise LensError(f"dtype is {dtype!r}, expected one of {', '.join(_DTYPES)}")


def asked_device(device: str, dtype: str) -> Where | None:
    """`select_device` for what NumPy alone can compute: None unless a device is asked for by name.

    Raises:
        LensError: The device is not there, or has not that dtype; or there is no such dtype.

    Example:
        >>> asked_device("auto", "float64") is None, asked_device("cpu:0", "float32").dtype
        (True, torch.float32)
    """
    check_dtype(dtype)
    return None if device in ("auto", "cpu") else select_device(device, dtype)
