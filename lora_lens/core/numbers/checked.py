"""What people pass in as matrices, torch's or NumPy's: as real, finite tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...errors import LensError

Array = NDArray[Any]

_COMPLEX = "{} is complex; expected a real matrix"


def as_tensors(**named: object) -> tuple[Tensor, ...]:
    """What was passed in as real, finite tensors of at least two axes, in order; messages call them by name.

    Raises:
        LensError: One is not, or holds nothing, or they are on several devices, or some are tensors and others arrays.

    Example:
        >>> x, y = as_tensors(x=np.eye(2, dtype=int), y=np.eye(2, dtype=np.float32))
        >>> x.dtype, y.dtype
        (torch.float64, torch.float32)
        >>> as_tensors(x=np.ones(3), y=np.eye(2))
        Traceback (most recent call last):
        ...
        lora_lens.errors.LensError: x has shape (3,), expected (..., m, n)
    """
    if len({isinstance(x, Tensor) for x in named.values()}) > 1:
        *first, last = named
        raise LensError(
            f"{', '.join(first)} and {last} must all be torch tensors or all NumPy arrays"
        )
    tensors = tuple(_as_tensor(x, name) for name, x in named.items())
    if len({tensor.device for tensor in tensors}) > 1:
        told = ", ".join(f"{name} on {x.device}" for name, x in zip(named, tensors, strict=True))
        raise LensError(f"{told}; expected all on one device: move them with .to(device)")
    return tensors


def stacked(**named: Any) -> tuple[Any, ...]:
    """What was passed in, in order; a list of torch tensors, or of such lists, as one tensor, which keeps its gradient.

    Raises:
        LensError: Tensors in a list are not of one shape, dtype and device.

    Example:
        >>> (x,) = stacked(x=[torch.eye(2), torch.ones(2, 2)])
        >>> x.shape
        torch.Size([2, 2, 2])
    """
    return tuple(_stacked(x, name) for name, x in named.items())


def _stacked(x: Any, name: str) -> Any:
    if not isinstance(x, (list, tuple)):
        return x
    parts = [_stacked(part, name) for part in x]
    if not parts or not all(isinstance(part, Tensor) for part in parts):
        return x
    kinds = {(tuple(part.shape), part.dtype, str(part.device)) for part in parts}
    if len(kinds) > 1:
        told = sorted(f"{shape} {dtype} on {device}" for shape, dtype, device in kinds)
        raise LensError(f"{name} is a list of tensors that are not alike: {', '.join(told)}")
    return torch.stack(parts)


def _as_tensor(x: object, name: str) -> Tensor:
    tensor = _dense(x, name) if isinstance(x, Tensor) else torch.from_numpy(_for_torch(x, name))
    if tensor.ndim < 2:
        raise LensError(f"{name} has shape {tuple(tensor.shape)}, expected (..., m, n)")
    if not tensor.numel():
        raise LensError(f"{name} has shape {tuple(tensor.shape)}, which holds nothing")
    if tensor.is_complex():
        raise LensError(_COMPLEX.format(name))
    if not tensor.is_floating_point():
        tensor = _to(torch.float64, tensor, name)
    check_finite(tensor, name)
    return tensor


def _dense(x: Tensor, name: str) -> Tensor:
    """With its numbers one by one, in a dtype that torch computes with."""
    if x.is_meta:
        raise LensError(f"{name} is on the device meta, where tensors have no numbers; load it")
    if x.device.type == "mps":
        raise LensError(
            f"{name} is on {x.device}, which has no float64 and not all decompositions; pass {name}.cpu()"
        )
    if x.is_quantized:
        raise LensError(f"{name} is quantized ({x.dtype}); pass {name}.dequantize()")
    if x.is_nested:
        raise LensError(f"{name} is nested; pass its matrices one by one, or in one tensor")
    if x.layout != torch.strided:
        raise LensError(f"{name} is not dense ({x.layout}); pass {name}.to_dense()")
    small = x.is_floating_point() and x.dtype.itemsize == 1
    return _to(torch.float32, x, name) if small else x


def _to(dtype: torch.dtype, x: Tensor, name: str) -> Tensor:
    try:
        return x.to(dtype)
    except RuntimeError as error:  # int4, float4 and the like, which torch only stores
        if not isinstance(error, NotImplementedError) and "not implemented" not in str(error):
            raise
        raise LensError(
            f"{name} is of {x.dtype}, which torch stores alone; convert it to floats"
        ) from None


def _for_torch(x: object, name: str) -> Array:
    """As an array that torch takes: of the machine's byte order, writable, without negative strides; a copy where it is not."""
    if np.ma.is_masked(x):
        raise LensError(f"{name} is masked in places; expected a number in each")
    try:
        array = np.asarray(x)
    except ValueError:  # a list of rows that are not of one length
        raise LensError(f"{name} is no matrix: {x!r:.60}") from None
    if array.dtype.kind == "c":  # of which torch has not all
        raise LensError(_COMPLEX.format(name))
    if array.dtype.kind not in "biuf":
        raise LensError(f"{name} is of {array.dtype}; expected numbers")
    dtype = array.dtype.newbyteorder("=")
    if dtype == np.longdouble:  # beyond what torch has, and 64 bits on some machines
        dtype = np.dtype(np.float64)
    apt = array.flags.writeable and min(array.strides, default=0) >= 0
    return array.astype(dtype, copy=not apt)


def check_finite(x: Tensor, name: str) -> None:
    """Nothing, where all its entries are finite.

    Raises:
        LensError: They are not; the message calls it by `name`.

    Example:
        >>> check_finite(torch.tensor([[1.0, torch.inf]]), "W0")
        Traceback (most recent call last):
        ...
        lora_lens.errors.LensError: W0 holds NaN or infinite values; expected finite ones
    """
    # The ends alone: they take no memory of x's size, and a NaN is both.
    if x.numel() and not bool(torch.isfinite(torch.stack(x.detach().aminmax())).all()):
        raise LensError(f"{name} holds NaN or infinite values; expected finite ones")
