"""Principal angles between singular subspaces."""

from __future__ import annotations

from typing import overload

import torch
from torch import Tensor

from ...plain_torch import in_plain_torch
from ..factors.leading_basis import leading_basis
from ..numbers.checked import Array, as_tensors, stacked
from ..numbers.sides import Side
from ..numbers.whole import check_whole
from .one_space import check_one_space


@overload
def principal_angles(
    x: Tensor, y: Tensor, i: int, j: int | None = None, *, side: Side = "left"
) -> Tensor: ...
@overload
def principal_angles(
    x: Array, y: Array, i: int, j: int | None = None, *, side: Side = "left"
) -> Array: ...
@in_plain_torch
def principal_angles(
    x: Tensor | Array, y: Tensor | Array, i: int, j: int | None = None, *, side: Side = "left"
) -> Tensor | Array:
    """Angles in radians between two leading singular subspaces, smallest first: (..., min(i, j)).

    Accurate for small angles too: the sine is used where the cosine is near 1 (Knyazev and
    Argentati 2002). Equivalent to ``scipy.linalg.subspace_angles`` of the two bases, reversed.
    ``phi = mean(cos(angles)**2)`` for i = j. Differentiable but at angles of 0 and π/2. Arguments, errors and warnings as in `phi`.

    Args:
        x, y, i, j, side: As in `phi`.

    Returns:
        (..., min(i, j)), ascending, from 0 to π/2; of the same kind, device and dtype as the input.

    Raises:
        RankError: `i` or `j` exceeds the numerical rank.
        LensError: As `phi`.

    Example:
        >>> import numpy as np
        >>> x, y = np.eye(3)[:, :2], np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
        >>> np.rad2deg(principal_angles(x, y, 2)).round(6)
        array([ 0., 45.])
    """
    x, y = stacked(x=x, y=y)
    x_tensor, y_tensor = as_tensors(x=x, y=y)
    j = i if j is None else j
    check_whole(i=i, j=j)
    u = leading_basis(x_tensor, i, side=side, name="x")
    v = leading_basis(y_tensor, j, side=side, name="y")
    check_one_space(u, v, side)
    if i < j:
        u, v = v, u
    product = u.mT @ v
    cosine = torch.linalg.svdvals(product).clamp(max=1)
    sine = torch.linalg.svdvals(v - u @ product).clamp(max=1).flip(-1)
    far = cosine.square() < 0.5
    # Of what is not taken no gradient comes either: both have an infinite one at 1.
    angles = torch.where(
        far, torch.where(far, cosine, 0.5).arccos(), torch.where(far, 0.5, sine).arcsin()
    )
    angles = angles.to(torch.promote_types(x_tensor.dtype, y_tensor.dtype))
    return angles if isinstance(x, Tensor) else angles.numpy()
