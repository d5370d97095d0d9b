"""The basis of a matrix's leading singular subspace, where there is one: its rank is checked first."""

from __future__ import annotations

import warnings

from jaxtyping import Float
from torch import Tensor

from ...errors import LensError
from ..numbers.either import in_float64
from ..numbers.sides import Side
from .bases import orthonormal_basis
from .rank import check_rank, rank_of, stored_eps, tied


class TiedWarning(UserWarning):
    """Singular values are equal to rounding at the cut, so that the subspace of so many vectors is not determined."""


def leading_basis(
    x: Float[Tensor, "*batch m n"],
    k: int,
    *,
    side: Side = "left",
    name: str = "the matrix",
    ordered: bool = False,
) -> Float[Tensor, "*batch d k"]:
    """Orthonormal basis of the span of the top k singular vectors, in float64.

    At k = rank the order within the basis does not matter to φ, so QR alone gives it (and has a
    gradient where singular values coincide) unless `ordered`: of the columns, or, where they are
    more than k, of k combinations of them.

    Raises:
        RankError: k is below 1 or above the numerical rank of `x` in its own dtype.
        LensError: `side` is neither left nor right.

    Warns:
        TiedWarning: Singular values k and k + 1 are equal to rounding and no rounding themselves.

    Example:
        >>> import torch
        >>> x = torch.tensor([[0.0, 2.0], [1.0, 0.0]])
        >>> [leading_basis(x, 1, side=side).abs().round().ravel().tolist() for side in ("left", "right")]
        [[1.0, 0.0], [0.0, 1.0]]
    """
    if side not in ("left", "right"):
        raise LensError(f"side is {side!r}, expected 'left' or 'right'")
    s = check_rank(x, k, name=name)
    if not ordered and k < s.shape[-1]:
        _warn_of_a_tie(x, s, k, name)
    wide = in_float64(x if side == "left" else x.mT)
    if not ordered and k < wide.shape[-1] and k == _greatest_rank(s, x):
        wide = wide @ orthonormal_basis(wide.detach().mT, k)
    return orthonormal_basis(wide, k, ordered=ordered)


def _greatest_rank(s: Float[Tensor, "*batch s"], x: Float[Tensor, "*batch m n"]) -> int:
    return int(rank_of(s, (x.shape[-2], x.shape[-1]), stored_eps(x)).max())


def _warn_of_a_tie(
    x: Float[Tensor, "*batch m n"], s: Float[Tensor, "*batch s"], k: int, name: str
) -> None:
    if bool(tied(s, k, x).any()):
        warnings.warn(
            f"the subspace of {k} singular vectors of {name} is not determined: singular values {k} and {k + 1} are "
            f"equal to rounding{' in some matrix' if s.ndim > 1 else ''}, and which vectors come first is arbitrary; "
            f"ask for as many as end where singular values differ, or for all",
            TiedWarning,
            stacklevel=5,
        )
