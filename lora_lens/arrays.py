"""What numbers come as: NumPy's arrays, and torch's tensors, whose library is loaded when it is needed.

Loading torch takes a second or two. What needs neither W0 nor a GPU (`lora_lens.inspect`, spectra of
ΔW) does without, so modules on its way take `Tensor` from here, for annotations alone. Kernels of
`lora_lens.core.numbers.either` take both kinds.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor
else:
    Tensor = Any  # its shape is checked all the same, where shapes are checked

__all__ = ["Either", "Stored", "Tensor", "as_array", "dtype_name", "nothing"]

# A NumPy array or a torch tensor.
Either = Any


class Stored(NamedTuple):
    """Where a matrix lies in a file as it is, row by row, for whoever reads it and nothing else.

    Attributes:
        path: Of the file.
        start: Its first byte.
        dtype: Of its numbers, as torch calls it.
        rows, columns: Of what lies there.
        transposed: Whether the matrix is its transpose.
    """

    path: Path
    start: int
    dtype: str
    rows: int
    columns: int
    transposed: bool = False


def nothing() -> None:
    """Nothing to release: the numbers are not in a file."""


def dtype_name(dtype: Any) -> str:
    """As torch calls it, without its own name.

    Example:
        >>> import torch
        >>> dtype_name(torch.bfloat16)
        'bfloat16'
    """
    return str(dtype).removeprefix("torch.")


def as_array(tensor: Tensor) -> NDArray[Any] | None:
    """A tensor's numbers as NumPy's array, bfloat16 as float32; None where NumPy has no such type.

    Example:
        >>> import torch
        >>> as_array(torch.ones(2, dtype=torch.bfloat16))
        array([1., 1.], dtype=float32)
    """
    found = tensor.detach().cpu()
    try:
        return (found.float() if str(found.dtype) == "torch.bfloat16" else found).numpy()
    except TypeError:
        return None
