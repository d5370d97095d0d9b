"""Singular subspaces and how alike they are: φ, principal angles, orthonormal bases.

φ(X, Y, i, j) = ‖U_X[:, :i]ᵀ U_Y[:, :j]‖_F² / min(i, j), U the singular vectors of one side
(Hu et al. 2022, section 4; Kim et al. 2024, Eq. 2).
"""

from __future__ import annotations

from typing import Any, Literal, overload

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from ..errors import LensError, RankError
from .ij_grid import phi_grid_of_bases

Side = Literal["left", "right"]
Array = NDArray[Any]
FLOAT32_EPS = float(np.finfo(np.float32).eps)


@overload
def phi(x: Tensor, y: Tensor, i: int, j: int | None = None, *, side: Side = "left") -> Tensor: ...
@overload
def phi(x: Array, y: Array, i: int, j: int | None = None, *, side: Side = "left") -> Any: ...
def phi(
    x: Tensor | Array, y: Tensor | Array, i: int, j: int | None = None, *, side: Side = "left"
) -> Any:
    """Normalised subspace similarity: how much of one matrix's top singular subspace lies in the other's.

    ``φ = ‖U_x[:, :i]ᵀ U_y[:, :j]‖_F² / min(i, j)``, from 0 (orthogonal) to 1 (the smaller subspace
    lies in the larger). For i = j it is the mean squared cosine of the principal angles. Kim et al.
    2024, Eq. 2. Independent random subspaces of R^d give ``max(i, j)/d`` on average, not 0; see
    `lora_lens.gaussian_baseline`.

    At ``i = j = rank`` φ depends on the column (or row) spaces alone and does not change when
    LoRA's factors are replaced by ``(R·A, B·R⁻¹)``; at smaller i it does.

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
        LensError: The inputs are not real matrices of one ambient dimension, or not finite.

    Example:
        >>> import numpy as np
        >>> x = np.eye(4)[:, :2]
        >>> float(phi(x, np.eye(4)[:, 1:3], 2))
        0.5
    """
    x_tensor, y_tensor = _as_tensors(x, y)
    j = i if j is None else j
    dtype = torch.promote_types(x_tensor.dtype, y_tensor.dtype)
    u = leading_basis(x_tensor, i, side=side, name="x")
    v = leading_basis(y_tensor, j, side=side, name="y")
    if u.shape[-2] != v.shape[-2]:
        raise LensError(
            f"x and y live in spaces of {u.shape[-2]} and {v.shape[-2]} dimensions on the {side} "
            f"side; expected the same"
        )
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
    (..., layer, other). Raises as `phi` does.
    """
    x_tensor, y_tensor = _as_tensors(x, x if y is None else y)
    if min(x_tensor.ndim, y_tensor.ndim) < 3:
        raise LensError(f"x has shape {tuple(x_tensor.shape)}, expected (..., layer, m, n)")
    u = leading_basis(x_tensor, i, side=side, name="x")
    v = leading_basis(y_tensor, i if j is None else j, side=side, name="y")
    values = phi_of_all_pairs(u, v).to(torch.promote_types(x_tensor.dtype, y_tensor.dtype))
    return values if isinstance(x, Tensor) else values.numpy()


@overload
def phi_grid(x: Tensor, y: Tensor, *, side: Side = "left") -> Tensor: ...
@overload
def phi_grid(x: Array, y: Array, *, side: Side = "left") -> Array: ...
def phi_grid(x: Tensor | Array, y: Tensor | Array, *, side: Side = "left") -> Tensor | Array:
    """φ(x, y, i, j) for all i and j up to the ranks: (..., rank of x, rank of y), i and j from 1.

    One product of the full bases, squared, summed cumulatively along both axes (Hu et al. 2022,
    Figures 3 and 4). In a batch the smallest rank decides. Raises as `phi` does.
    """
    x_tensor, y_tensor = _as_tensors(x, y)
    ranks = [int(numerical_rank(tensor).min()) for tensor in (x_tensor, y_tensor)]
    if min(ranks) == 0:
        raise RankError("a matrix of rank 0 (all zero) has no singular subspace")
    u = leading_basis(x_tensor, ranks[0], side=side, name="x", ordered=True)
    v = leading_basis(y_tensor, ranks[1], side=side, name="y", ordered=True)
    grid = phi_grid_of_bases(u, v)
    grid = grid.to(torch.promote_types(x_tensor.dtype, y_tensor.dtype))
    return grid if isinstance(x, Tensor) else grid.numpy()


@overload
def principal_angles(
    x: Tensor, y: Tensor, i: int, j: int | None = None, *, side: Side = "left"
) -> Tensor: ...
@overload
def principal_angles(
    x: Array, y: Array, i: int, j: int | None = None, *, side: Side = "left"
) -> Array: ...
def principal_angles(
    x: Tensor | Array, y: Tensor | Array, i: int, j: int | None = None, *, side: Side = "left"
) -> Tensor | Array:
    """Angles in radians between two leading singular subspaces, smallest first: (..., min(i, j)).

    Accurate for small angles too: the sine is used where the cosine is near 1 (Knyazev and
    Argentati 2002). Equivalent to ``scipy.linalg.subspace_angles`` of the two bases, reversed.
    ``phi = mean(cos(angles)**2)`` for i = j. Arguments and errors as in `phi`.
    """
    x_tensor, y_tensor = _as_tensors(x, y)
    j = i if j is None else j
    u = leading_basis(x_tensor, i, side=side, name="x")
    v = leading_basis(y_tensor, j, side=side, name="y")
    if i < j:
        u, v = v, u
    product = u.mT @ v
    cosine = torch.linalg.svdvals(product).clamp(max=1)
    sine = torch.linalg.svdvals(v - u @ product).clamp(max=1).flip(-1)
    angles = torch.where(cosine.square() < 0.5, cosine.arccos(), sine.arcsin())
    angles = angles.to(torch.promote_types(x_tensor.dtype, y_tensor.dtype))
    return angles if isinstance(x, Tensor) else angles.numpy()


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
    """
    if side not in ("left", "right"):
        raise LensError(f"side is {side!r}, expected 'left' or 'right'")
    check_rank(x, k, name=name)
    wide = working(x if side == "left" else x.mT)
    return orthonormal_basis(wide, k, ordered=ordered)


def orthonormal_basis(
    x: Float[Tensor, "*batch d n"], k: int, *, ordered: bool = False
) -> Float[Tensor, "*batch d k"]:
    """`leading_basis` of the left side, unchecked: QR, then the SVD of the small factor if order matters."""
    rows, columns = x.shape[-2:]
    if rows < columns:
        return torch.linalg.svd(torch.linalg.qr(x.mT).R.mT, full_matrices=False).U[..., :k]
    q, r = torch.linalg.qr(x)
    if k == columns and not ordered:
        return q
    return q @ torch.linalg.svd(r).U[..., :k]


def phi_of_bases(
    u: Float[Tensor, "*#batch d i"], v: Float[Tensor, "*#batch d j"]
) -> Float[Tensor, "..."]:
    """φ from orthonormal bases: ‖uᵀv‖_F² / min(i, j), clamped into [0, 1] against rounding."""
    total = (u.mT @ v).square().sum((-2, -1))
    return (total / min(u.shape[-1], v.shape[-1])).clamp(0, 1)


def phi_of_all_pairs(
    u: Float[Tensor, "*batch layer d i"], v: Float[Tensor, "*batch other d j"]
) -> Float[Tensor, "*batch layer other"]:
    """`phi_of_bases` of every pair of layers: the bases side by side, one matrix product."""
    layers, i = u.shape[-3], u.shape[-1]
    others, j = v.shape[-3], v.shape[-1]
    product = _side_by_side(u).mT @ _side_by_side(v)
    blocks = product.square().unflatten(-2, (layers, i)).unflatten(-1, (others, j))
    return (blocks.sum((-3, -1)) / min(i, j)).clamp(0, 1)


def _side_by_side(bases: Tensor) -> Tensor:
    return bases.movedim(-3, -2).flatten(-2)


def numerical_rank(x: Float[Tensor, "*batch m n"], eps: float | None = None) -> Tensor:
    """How many singular values exceed ``max(m, n)·eps`` of the largest; numpy's rule.

    `eps` is by default that of the input's dtype, and float32's for shorter types, whose own would
    leave a 768-dimensional matrix no rank at all.
    """
    eps = min(torch.finfo(x.dtype).eps, FLOAT32_EPS) if eps is None else eps
    s = torch.linalg.svdvals(_small_factor(working(x.detach())))
    return (s > max(x.shape[-2:]) * eps * s[..., :1]).sum(-1)


def check_rank(x: Tensor, k: int, *, name: str) -> None:
    """Raise RankError unless ``1 ≤ k ≤`` the numerical rank of every matrix in the batch."""
    if k < 1:
        raise RankError(f"asked for {k} singular vectors of {name}; expected at least 1")
    rank = int(numerical_rank(x).min()) if x.numel() else 0
    if k > rank:
        shape = "x".join(map(str, x.shape[-2:]))
        raise RankError(
            f"asked for {k} singular vectors of {name}, a {shape} matrix of rank {rank}; "
            f"the vectors above the rank are arbitrary, so ask for at most {rank}"
            if rank
            else f"{name} is all zero (rank 0); it has no singular subspace to compare"
        )


def _small_factor(x: Tensor) -> Tensor:
    """A matrix with the singular values of `x` and only min(m, n)² entries."""
    tall = x if x.shape[-2] >= x.shape[-1] else x.mT
    return torch.linalg.qr(tall, mode="r").R


def working(x: Tensor) -> Tensor:
    """`x` in the dtype that results are computed in: float64, or float32 where a device has no more."""
    return x.to(torch.float32 if x.device.type == "mps" else torch.float64)


def _as_tensors(x: object, y: object) -> tuple[Tensor, Tensor]:
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
