"""What is asked of W0 + ΔW: from W0's SVD where ΔW has a low rank, and from one of its own where not."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ...core.spectra.random_matrix import marchenko_pastur_edge
from ...core.spectra.updated import Updated
from ...subspaces.delta import Singular, weight_singular
from ...subspaces.device import Where

_LOW = 4  # ΔW's columns and the vectors asked for, twice, are so many times fewer than W0's


class Tuned(NamedTuple):
    """What is asked of it.

    Attributes:
        along: Inner products of W0's left singular vectors with the leading ones of the sum.
        edge: Where the singular values of a random matrix of its norm end.
        above: How many of its own are above that.
    """

    along: Float[Tensor, "n k"]
    edge: float
    above: int


def tuned(
    w0: Float[Tensor, "out in"],
    base: Singular,
    x: Float[Tensor, "out r"],
    y: Float[Tensor, "in r"],
    k: int,
    where: Where,
    name: str,
) -> Tuned:
    """Of ``W0 + x·yᵀ``.

    Args:
        w0: As stored.
        base: Its SVD, where `where` says.
        x, y: ΔW's factors, there.
        k: How many singular vectors are asked about, as many as it has at most.
        where: Device and precision.
        name: Whose it is, for a message.

    Raises:
        RankError: It is all zero.
        LensError: Its entries are out of range of the precision.

    Example:
        >>> from lora_lens.subspaces.device import select_device
        >>> w0, where = torch.diag(torch.arange(1, 33).double()), select_device("cpu", "float64")
        >>> base = weight_singular(w0, where, name="W0")
        >>> x = torch.zeros(32, 1).double().index_fill(0, torch.tensor(0), 40.0)
        >>> found = tuned(w0, base, x, x / 40, 2, where, "W0 + ΔW")  # 41 in the place of 1
        >>> found.along.abs().argmax(0).tolist(), found.above
        ([31, 0], 1)
    """
    if (found := _by_update(base, x, y, k, w0)) is not None:
        return found
    changed = weight_singular(where.take(w0) + x @ y.mT, where, name=name, stored=w0.dtype)
    s = changed.s.double().cpu()
    edge = float(marchenko_pastur_edge(s.norm(), *w0.shape))
    return Tuned(base.u.mT @ changed.u[:, :k], edge, int((s > edge).sum()))


def _by_update(base: Singular, x: Tensor, y: Tensor, k: int, w0: Tensor) -> Tuned | None:
    """None where it does not pay, or rounding would decide."""
    smaller = min(w0.shape)
    few = _LOW * (k + 2 * x.shape[-1]) <= smaller
    if not few or len(base.s) < smaller or base.s.dtype != torch.float64:
        return None
    updated = Updated.of(*base, x, y)
    edge = float(marchenko_pastur_edge(updated.frobenius_norm(), *w0.shape))
    above = updated.count_above(edge)
    leading = updated.leading(k) if above is not None else None
    return None if above is None or leading is None else Tuned(leading.along, edge, above)
