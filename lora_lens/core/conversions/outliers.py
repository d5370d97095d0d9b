"""Which coordinates subspaces hold, and what is left of the subspaces when columns of W0 are rescaled.

The solution X = W⁺G of a matrix W with d columns lives in R^d. Where W has at least as many rows, a nearly
empty column makes its coordinate large in X, whatever G is: ``(WᵀW)⁻¹_kk ≥ 1/‖w_k‖²``. Where it has
fewer, the pseudo-inverse works the other way: row k of X is ``w_kᵀ(WWᵀ)⁻¹G``, and a large column counts; but it goes as c/(1 + c²h) with the
column's length c, h = vᵀM⁻¹v of its direction v and M of the other columns, so that one which outweighs
these is small in X again.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ...errors import LensError
from ..solving.lu import packed_lu
from ..solving.ridge import median
from ..solving.solvers import SquareSolver

_COLUMNS = 512
_EMPTIEST = 1e-6  # of the median norm: a column below it counts as this, for none can be emptier than rounding


def relative_norms(w: Float[Tensor, "rows d"]) -> Float[Tensor, " d"]:
    """Norm of each column beside the median of them all; NaN where over half of the columns are empty.

    Example:
        >>> relative_norms(torch.tensor([[3.0, 1.0, 0.0, 3.0], [4.0, 0.0, 2.0, 0.0]]))  # the median is 2.5
        tensor([2.0000, 0.4000, 0.8000, 1.2000], dtype=torch.float64)
    """
    # Some columns at a time: all of them in float64 would be the largest of all arrays.
    norms = torch.cat([some.double().norm(dim=0) for some in w.split(_COLUMNS, dim=1)])
    middle = median(norms.sort(descending=True).values)
    return norms / torch.where(middle > 0, middle, torch.nan)


def magnification(relative: Float[Tensor, "layer d"], *, inverse: bool) -> Float[Tensor, " d"]:
    """How much of each coordinate W⁺ makes beside a column of median norm, mean over the layers.

    The mean of ``1/n²``, n the column's norm beside the layer's median; where W has fewer rows than
    columns (not `inverse`), the mean of n². About 1 for a Gaussian W.

    Example:
        >>> magnification(torch.tensor([[1.0, 0.5], [1.0, 0.1]]), inverse=True).round().tolist()
        [1.0, 52.0]
    """
    floored = relative.clamp(min=_EMPTIEST)
    return floored.pow(-2 if inverse else 2).mean(0)


def unit_shares(bases: Float[Tensor, "*batch d r"]) -> Float[Tensor, "*batch d"]:
    """Share of each unit vector that lies in the subspace: ``‖Uᵀe_k‖²``, from 0 to 1, r in all.

    Args:
        bases: Orthonormal columns.

    Example:
        >>> unit_shares(torch.tensor([[0.6, 0.0], [0.8, 0.0], [0.0, 1.0]]))
        tensor([0.3600, 0.6400, 1.0000])
    """
    return bases.square().sum(-1)


def rescaled_bases(
    bases: Float[Tensor, "*batch layer d r"],
    columns: Int[Tensor, " k"],
    scale: Float[Tensor, "layer k"],
    reached: Float[Tensor, "layer d k"] | None = None,
) -> Float[Tensor, "*batch layer d r"]:
    """The subspaces of ``(W·D)⁺G`` from those of ``W⁺G``, D the identity but `scale` in some columns.

    ``(WD)⁺G = D(I − H(I + C·H_S)⁻¹C·E_Sᵀ)·W⁺G`` with H = W⁺W·E_S, H_S its rows S, C = D_S² − I: by
    Woodbury, for any W, none of whose entries is needed again. Where W has full column rank H is E_S, and
    it is ``D⁻¹W⁺G``.

    Args:
        bases: Orthonormal, of ``W_l⁺G``.
        columns: S.
        scale: Above 0.
        reached: H; by default E_S.

    Returns:
        Orthonormal bases, in the dtype of `bases`.

    Raises:
        LensError: A column of a W without full rank is so long that float64 has nothing left of the others.

    Example:
        With the first column of W at half its length the first coordinate of its solutions is twice what it was.

        >>> bases = torch.ones(1, 2, 1) / 2**0.5
        >>> unit_shares(rescaled_bases(bases, torch.tensor([0]), torch.tensor([[0.5]])))
        tensor([[0.8000, 0.2000]])
    """
    rows = bases[..., columns, :]
    moved = bases.clone()
    if reached is None:
        moved[..., columns, :] = rows / scale.to(bases)[..., None]
    else:
        core = _woodbury(scale.to(bases.device), reached[:, columns].to(bases.device))
        moved -= reached.to(bases) @ (core.to(bases) @ rows)
        moved[..., columns, :] *= scale.to(bases)[..., None]
    return torch.linalg.qr(moved).Q


def _woodbury(
    scale: Float[Tensor, "layer k"], within: Float[Tensor, "layer k k"]
) -> Float[Tensor, "layer k k"]:
    """(I + C·H_S)⁻¹C, in float64: its least eigenvalue may be that of D_S², of which rounding leaves the rest."""
    scale, within = scale.double(), within.double()
    least = float(scale.min())
    if least <= torch.finfo(torch.float64).eps ** (1 / 3):  # the error would be as much
        raise LensError(
            f"a column of a W0 without full rank is {1 / max(least, 1e-300):.1g} times as long as the median one: "
            f"float64 has nothing left of the others; is W0 the base's?"
        )
    change = torch.diag_embed(scale.square() - 1)
    eye = torch.eye(scale.shape[-1], dtype=torch.float64, device=scale.device)
    return SquareSolver(*packed_lu(eye + change @ within)).solve(change)


def every_column_rescaled(
    bases: Float[Tensor, "*batch layer d r"], scale: Float[Tensor, "layer d"]
) -> Float[Tensor, "*batch layer d r"]:
    """`rescaled_bases` for all columns of W's of full column rank.

    Args:
        bases: Orthonormal, of ``W_l⁺G``.
        scale: Of each column, above 0.

    Returns:
        Orthonormal bases, in the dtype of `bases`.

    Example:
        >>> bases = torch.ones(1, 2, 1) / 2**0.5
        >>> unit_shares(every_column_rescaled(bases, torch.tensor([[0.5, 2.0]])))  # of (2, 1/2)
        tensor([[0.9412, 0.0588]])
    """
    return torch.linalg.qr(bases / scale.to(bases)[..., None]).Q
