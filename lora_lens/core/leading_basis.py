"""The basis of a matrix's leading singular subspace, where there is one: its rank is checked first."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from ..errors import LensError
from .bases import orthonormal_basis
from .precision import working
from .rank import check_rank
from .sides import Side


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
        >>> import torch
        >>> x = torch.tensor([[0.0, 2.0], [1.0, 0.0]])
        >>> [leading_basis(x, 1, side=side).abs().round().ravel().tolist() for side in ("left", "right")]
        [[1.0, 0.0], [0.0, 1.0]]
    """
    if side not in ("left", "right"):
        raise LensError(f"side is {side!r}, expected 'left' or 'right'")
    check_rank(x, k, name=name)
    wide = working(x if side == "left" else x.mT)
    return orthonormal_basis(wide, k, ordered=ordered)
