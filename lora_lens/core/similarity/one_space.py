"""Whether bases lie in one space, and their batches go together."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from ...errors import LensError
from ..numbers.sides import Side


def check_one_space(u: Tensor, v: Tensor, side: Side, *, axes: int = 2) -> None:
    """Nothing, where x's basis and y's lie in one space, and their leading axes broadcast.

    Args:
        u, v: Of x and of y, (..., d, i) and (..., d, j).
        side: Of the matrices, for the message.
        axes: How many of the last axes are no batch's.

    Raises:
        LensError: They do not.

    Example:
        >>> import torch
        >>> check_one_space(torch.eye(3), torch.eye(4), "left")
        Traceback (most recent call last):
        ...
        lora_lens.errors.LensError: x and y live in spaces of 3 and 4 dimensions on the left side; expected the same
    """
    if u.shape[-2] != v.shape[-2]:
        raise LensError(
            f"x and y live in spaces of {u.shape[-2]} and {v.shape[-2]} dimensions on the {side} "
            f"side; expected the same"
        )
    of_x, of_y = u.shape[:-axes], v.shape[:-axes]
    try:
        np.broadcast_shapes(of_x, of_y)  # torch's own loads sympy, for half a second
    except ValueError:
        raise LensError(
            f"x and y have leading axes {tuple(of_x)} and {tuple(of_y)}, which do not broadcast"
        ) from None
