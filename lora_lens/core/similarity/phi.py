"""How alike two singular subspaces are: φ.

φ(X, Y, i, j) = ‖U_X[:, :i]ᵀ U_Y[:, :j]‖_F² / min(i, j), U the singular vectors of one side
(Hu et al. 2022, section 4; Kim et al. 2024, Eq. 2).
"""

from __future__ import annotations

from typing import Any, overload

import torch
from torch import Tensor

from ...errors import LensError, RankError
from ...plain_torch import in_plain_torch
from ..factors.leading_basis import leading_basis
from ..factors.rank import numerical_rank
from ..numbers.checked import Array, as_tensors, stacked
from ..numbers.sides import Side
from ..numbers.whole import check_whole
from .one_space import check_one_space
from .phi_of_bases import phi_grid_of_bases, phi_of_all_pairs, phi_of_bases


@overload
def phi(x: Tensor, y: Tensor, i: int, j: int | None = None, *, side: Side = "left") -> Tensor: ...
@overload
def phi(x: Array, y: Array, i: int, j: int | None = None, *, side: Side = "left") -> Any: ...
@in_plain_torch
def phi(
    x: Tensor | Array, y: Tensor | Array, i: int, j: int | None = None, *, side: Side = "left"
) -> Any:
    """Normalised subspace similarity: how much of one matrix's top singular subspace lies in the other's.

    ``φ = ‖U_x[:, :i]ᵀ U_y[:, :j]‖_F² / min(i, j)``, from 0 (orthogonal) to 1 (the smaller subspace
    lies in the larger). For i = j it is the mean squared cosine of the principal angles. Kim et al.
    2024, Eq. 2. Independent random subspaces of R^d give ``max(i, j)/d`` on average, not 0; see
    `lora_lens.gaussian_baseline`.

    At ``i = j = rank`` φ depends on the column (or row) spaces alone and does not change when
    LoRA's factors are replaced by ``(R·A, B·R⁻¹)``; at smaller i it does. And where singular values i and
    i + 1 are equal to rounding, below the rank, there is no one subspace of i singular vectors: φ is of one of
    many, which the order of columns decides, and a `TiedWarning` says so.

    Args:
        x: (..., m, n). Leading axes broadcast against those of `y`.
        y: (..., m, n') for ``side="left"``, (..., m', n) for ``side="right"``.
        i: How many leading singular vectors of `x`, at least 1.
        j: How many of `y`; `i` where it is None.
        side: Compare left singular vectors (column spaces) or right ones (row spaces).

    Returns:
        (...), of the same kind, device and dtype as the input, computed in float64. Differentiable
        for torch tensors (where ``i`` is below the rank, only while singular values are distinct).

    Raises:
        RankError: `i` or `j` exceeds the numerical rank, which the message names.
        LensError: The inputs are not real matrices of one ambient dimension, or not finite, or on several devices, or leading axes do not
            broadcast; `i` or `j` is no whole number.

    Warns:
        TiedWarning: The subspace of so many singular vectors is not determined.

    Example:
        >>> import numpy as np
        >>> x = np.eye(4)[:, :2]
        >>> float(phi(x, np.eye(4)[:, 1:3], 2))
        0.5
    """
    x, y = stacked(x=x, y=y)
    x_tensor, y_tensor = as_tensors(x=x, y=y)
    j = i if j is None else j
    check_whole(i=i, j=j)
    dtype = torch.promote_types(x_tensor.dtype, y_tensor.dtype)
    u = leading_basis(x_tensor, i, side=side, name="x")
    v = leading_basis(y_tensor, j, side=side, name="y")
    check_one_space(u, v, side)
    result = phi_of_bases(u, v).to(dtype)
    return result if isinstance(x, Tensor) else result.numpy()[()]


@overload
def phi_matrix(
    x: Tensor, y: Tensor | None = None, *, i: int, j: int | None = None, side: Side = "left"
) -> Tensor: ...
@overload
def phi_matrix(
    x: Array, y: Array | None = None, *, i: int, j: int | None = None, side: Side = "left"
) -> Array: ...
@in_plain_torch
def phi_matrix(
    x: Tensor | Array,
    y: Tensor | Array | None = None,
    *,
    i: int,
    j: int | None = None,
    side: Side = "left",
) -> Tensor | Array:
    """φ between every matrix of `x` and every one of `y` (or of `x` itself), by one matrix product.

    Equivalent to calling `phi` for every pair: (..., layer, m, n) and (..., other, m, n') give
    (..., layer, other). Raises and warns as `phi` does.

    Args:
        x: (..., layer, m, n).
        y: (..., other, m, n') for ``side="left"``, (..., other, m', n) for ``side="right"``; `x` itself
            where it is None.
        i, j, side: As in `phi`.

    Returns:
        (..., layer, other), of the same kind, device and dtype as the input, computed in float64.

    Raises:
        RankError: `i` or `j` exceeds a matrix's numerical rank.
        LensError: As `phi`, or the inputs have no axis of matrices.

    Example:
        >>> import numpy as np
        >>> layers = np.stack([np.eye(4)[:, :2], np.eye(4)[:, 1:3], np.eye(4)[:, 2:]])
        >>> phi_matrix(layers, i=2)
        array([[1. , 0.5, 0. ],
               [0.5, 1. , 0.5],
               [0. , 0.5, 1. ]])
    """
    itself = y is None
    x, y = stacked(x=x, y=x if y is None else y)
    x_tensor, y_tensor = as_tensors(x=x, y=y)
    j = i if j is None else j
    check_whole(i=i, j=j)
    if min(x_tensor.ndim, y_tensor.ndim) < 3:
        raise LensError(f"x has shape {tuple(x_tensor.shape)}, expected (..., layer, m, n)")
    u = leading_basis(x_tensor, i, side=side, name="x")
    if itself and i == j:
        v = u
    else:
        v = leading_basis(y_tensor, j, side=side, name="x" if itself else "y")
    check_one_space(u, v, side, axes=3)
    values = phi_of_all_pairs(u, v).to(torch.promote_types(x_tensor.dtype, y_tensor.dtype))
    return values if isinstance(x, Tensor) else values.numpy()


@overload
def phi_grid(x: Tensor, y: Tensor, *, side: Side = "left") -> Tensor: ...
@overload
def phi_grid(x: Array, y: Array, *, side: Side = "left") -> Array: ...
@in_plain_torch
def phi_grid(x: Tensor | Array, y: Tensor | Array, *, side: Side = "left") -> Tensor | Array:
    """φ(x, y, i, j) for all i and j up to the ranks: (..., rank of x, rank of y), i and j from 1.

    One product of the full bases, squared, summed cumulatively along both axes (Hu et al. 2022,
    Figures 3 and 4). In a batch the smallest rank decides. Raises as `phi` does; rows and columns at i and j
    between equal singular values are of one of many subspaces, without a warning.

    Args:
        x, y, side: As in `phi`.

    Returns:
        (..., rank of x, rank of y), of the same kind, device and dtype as the input.

    Raises:
        RankError: A matrix is zero.
        LensError: As `phi`.

    Example:
        >>> import numpy as np
        >>> phi_grid(np.diag([3.0, 2.0, 0.0]), np.diag([0.0, 2.0, 3.0]))
        array([[0. , 0. ],
               [0. , 0.5]])
    """
    x, y = stacked(x=x, y=y)
    x_tensor, y_tensor = as_tensors(x=x, y=y)
    ranks = [int(numerical_rank(tensor).min()) for tensor in (x_tensor, y_tensor)]
    if min(ranks) == 0:
        raise RankError("a matrix of rank 0 (all zero) has no singular subspace")
    u = leading_basis(x_tensor, ranks[0], side=side, name="x", ordered=True)
    v = leading_basis(y_tensor, ranks[1], side=side, name="y", ordered=True)
    check_one_space(u, v, side)
    grid = phi_grid_of_bases(u, v)
    grid = grid.to(torch.promote_types(x_tensor.dtype, y_tensor.dtype))
    return grid if isinstance(x, Tensor) else grid.numpy()
