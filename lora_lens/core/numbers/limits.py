"""What a dtype's range allows: squares and products of its numbers must stay in it."""

from __future__ import annotations

from typing import Any

from ...arrays import dtype_name
from ...errors import LensError
from .either import namespace


def check_range(x: Any, computing: Any, name: str) -> None:
    """Raise LensError where sums of squares of `x` would leave the range of the dtype to compute in.

    Args:
        x: Entries, or singular values, in a dtype that holds them: a NumPy array or a torch tensor.
        computing: The dtype that norms and products are computed in, of the same library.
        name: Whose they are.

    Example:
        >>> import numpy as np
        >>> check_range(np.array([1e10]), np.dtype("float64"), "W0")
        >>> check_range(np.array([1e20]), np.dtype("float32"), "W0")
        Traceback (most recent call last):
        ...
        lora_lens.errors.LensError: W0 has values up to 1e+20, whose squares and products leave the range of float32; use the dtype float64
    """
    if squares_fit(x, computing):
        return
    largest = _largest(x)
    dtype = dtype_name(computing)
    raise LensError(
        f"{name} has values up to {largest:.2g}, whose squares and products leave the range of {dtype}; "
        f"{'no wider precision is offered: scale the weights' if dtype == 'float64' else 'use the dtype float64'}"
    )


def squares_fit(x: Any, computing: Any) -> bool:
    """Whether sums of squares of `x` stay in the range of the dtype to compute in.

    Example:
        >>> import numpy as np
        >>> [squares_fit(np.array([x]), np.dtype("float64")) for x in (0.0, 1e10, 1e200, 1e-200)]
        [True, True, False, False]
    """
    largest, limits = _largest(x), namespace(x).finfo(computing)
    return largest == 0 or float(limits.tiny) ** 0.4 <= largest <= float(limits.max) ** 0.4


def _largest(x: Any) -> float:
    return float(max(x.max(), -x.min())) if 0 not in x.shape else 0.0
