"""What people pass in, checked: matrices as tensors, and the bases of their leading singular subspaces."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from ..errors import LensError
from .bases import orthonormal_basis
from .precision import working
from .rank import check_rank
from .sides import Side

Array = NDArray[Any]


def leading_basis(
    x: Float[Tensor, "*batch m n"],
    k: int,
    *,
    side: Side = "left",
    name: str = "the matrix",
    ordered: bool = False,
) -> Float[Tensor, "*batch d k"]:
    """Orthonormal basis of the span of the top k singular vectors, in float64.

    At full column rank the order within the basis does not matter to φ, so QR alone gives it
    (and has a gradient where singular values coincide) unless `ordered`.

    Raises:
        RankError: k is below 1 or above the numerical rank of `x` in its own dtype.
        LensError: `side` is neither left nor right.

    Example:
        >>> x = torch.tensor([[0.0, 2.0], [1.0, 0.0]])
        >>> [leading_basis(x, 1, side=side).abs().round().ravel().tolist() for side in ("left", "right")]
        [[1.0, 0.0], [0.0, 1.0]]
    """
    if side not in ("left", "right"):
        raise LensError(f"side is {side!r}, expected 'left' or 'right'")
    check_rank(x, k, name=name)
    wide = working(x if side == "left" else x.mT)
    return orthonormal_basis(wide, k, ordered=ordered)


def as_tensors(x: object, y: object) -> tuple[Tensor, Tensor]:
    """Both as real, finite tensors of at least two axes.

    Raises:
        LensError: One is not, or one is a tensor and the other an array.

    Example:
        >>> x, y = as_tensors(np.eye(2, dtype=int), np.eye(2, dtype=np.float32))
        >>> x.dtype, y.dtype
        (torch.float64, torch.float32)
        >>> as_tensors(np.ones(3), np.eye(2))
        Traceback (most recent call last):
        ...
        lora_lens.errors.LensError: x has shape (3,), expected (..., m, n)
    """
    if isinstance(x, Tensor) != isinstance(y, Tensor):
        raise LensError("x and y must both be torch tensors or both NumPy arrays")
    return _as_tensor(x, "x"), _as_tensor(y, "y")


def _as_tensor(x: object, name: str) -> Tensor:
    tensor = x if isinstance(x, Tensor) else torch.from_numpy(np.asarray(x))
    if tensor.ndim < 2:
        raise LensError(f"{name} has shape {tuple(tensor.shape)}, expected (..., m, n)")
    if tensor.is_complex():
        raise LensError(f"{name} is complex; expected a real matrix")
    if not tensor.is_floating_point():
        tensor = tensor.to(torch.float64)
    if not bool(torch.isfinite(tensor).all()):
        raise LensError(f"{name} holds NaN or infinite values; expected finite ones")
    return tensor
