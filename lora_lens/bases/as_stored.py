"""One W0 as its file has it: a matrix of finite floats, a convolution to be unfolded, or matrices below each other."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float

from ..arrays import Tensor, dtype_name
from ..core.numbers.either import is_finite
from ..errors import BaseModelError

_FLOATS = ("float64", "float32", "bfloat16", "float16")


def is_convolution(shape: tuple[int, ...], expected: tuple[int, int] | None) -> bool:
    """Whether a W0 is a convolution's: of three axes, where they unfold to `expected`; it may be a stack of experts.

    Example:
        >>> is_convolution((8, 3, 5), (8, 15)), is_convolution((8, 3, 5), (3, 5))
        (True, False)
    """
    if len(shape) < 3:
        return False
    return len(shape) > 3 or (shape[0], shape[1] * shape[2]) == expected


def can_be(shape: tuple[int, ...], expected: tuple[int, int]) -> bool:
    """Whether a tensor can be a W0 of (out, in), stored so or turned, or a convolution's.

    Example:
        >>> can_be((6, 4), (4, 6)), can_be((8, 3, 5), (8, 15)), can_be((6, 6), (4, 6))
        (True, True, False)
    """
    return is_convolution(shape, expected) or shape in (expected, expected[::-1])


def rounded_to(w0: Float[Tensor, "out in"], dtype: str) -> Float[Tensor, "out in"]:
    """W0 with the digits of another dtype, in its own.

    Example:
        >>> import torch
        >>> rounded_to(torch.tensor([[1.001]]), "bfloat16"), rounded_to(torch.tensor([[1.001]]), "float64")
        (tensor([[1.]]), tensor([[1.0010]]))
    """
    import torch

    return w0.to(getattr(torch, dtype)).to(w0.dtype)


def joined_rows(
    names: Sequence[str], parts: Sequence[Float[Tensor, "_ in"]], source: str
) -> Float[Tensor, "out in"]:
    """Matrices below each other; the only one as it is.

    Args:
        names: Of the matrices.
        parts: The matrices.
        source: Of the base.

    Raises:
        BaseModelError: They have not as many columns as each other.
    """
    if len(parts) == 1:
        return parts[0]
    if len({one.shape[1] for one in parts}) > 1:
        sizes = ", ".join(
            f"{name} with {one.shape[1]}" for name, one in zip(names, parts, strict=True)
        )
        raise BaseModelError(
            f"W0 is made of matrices below each other in {source}, {sizes} columns; expected as many of each: is it "
            f"the adapter's base model?"
        )
    import torch

    return torch.cat(list(parts))


def checked(w0: Tensor, name: str, source: str) -> Tensor:
    """W0 as it is stored.

    Raises:
        BaseModelError: It is no matrix of floats, or holds NaN or infinite values.
    """
    dtype = dtype_name(w0.dtype)
    if dtype not in _FLOATS or w0.ndim != 2:
        raise BaseModelError(
            f"{name} of {source} is a {w0.ndim}-dimensional {dtype} tensor; "
            f"expected a matrix of floats. Pass --base with the unquantised model"
        )
    if not is_finite(w0):
        raise BaseModelError(f"{name} of {source} holds NaN or infinite values")
    return w0
