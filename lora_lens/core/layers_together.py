"""How much the layers of an adapter go together: what a test of their mean φ has to know of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from ..labelled import Array
from .pairwise import phi_of_every_pair

AS_INDEPENDENT = 1.1  # times the scatter of independent layers: a test at 5 % then errs in 7 %


@dataclass(frozen=True)
class LayersTogether:
    """How the subspaces of an adapter's layers lie to each other in R^d.

    Attributes:
        widths: i of each layer.
        centred: tr P_lP_m of their projectors, less i_l·i_m/d, which unrelated ones have.
    """

    widths: Int[NDArray[np.int64], " layer"]
    centred: Float[Array, "layer layer"]

    @classmethod
    def of(cls, bases: Sequence[Float[Any, "d _"]]) -> LayersTogether:
        """From orthonormal columns, NumPy's or torch's.

        Example:
            >>> axes = np.eye(4)
            >>> LayersTogether.of([axes[:, :2], axes[:, :1]]).centred
            array([[1.  , 0.5 ],
                   [0.5 , 0.75]])
        """
        widths = np.array([basis.shape[-1] for basis in bases], dtype=np.int64)
        overlap = phi_of_every_pair(bases) * np.minimum.outer(widths, widths)
        return cls(widths, overlap - np.outer(widths, widths) / bases[0].shape[-2])

    def among(self, layers: Sequence[int]) -> LayersTogether:
        """Of some of them, by position."""
        return LayersTogether(self.widths[layers], self.centred[np.ix_(layers, layers)])


def scatter_of_mean(one: LayersTogether, others: Sequence[LayersTogether]) -> Float[Array, " n"]:
    """How many times as far the mean φ of two adapters scatters as that of independent layers would.

    Of adapters that have nothing to do with each other one may be turned as a whole, by a rotation of all its layers. Then
    the covariance of φ in layers l and m goes as C_lm·D_lm/(k_l·k_m), C of the one and D of the other as in `LayersTogether.centred`, k_l the
    smaller of their dimensions in l, so that the mean's variance is the sum of these where independent layers have that over l = m.
    1 where the layers of one of them are unrelated; √L where those of both are one subspace.

    Args:
        one: An adapter.
        others: Those that it is held against, of as many layers.

    Example:
        >>> same = LayersTogether.of([np.eye(8)[:, :2]] * 4)
        >>> scatter_of_mean(same, [same])
        array([2.])
    """
    smaller = np.minimum(one.widths, [other.widths for other in others])[..., None]
    both = one.centred * np.array([other.centred for other in others])
    both /= smaller * smaller.swapaxes(-1, -2)
    alone = both.diagonal(axis1=-2, axis2=-1).sum(-1)
    # φ is 1, whatever they are, where either is the whole space.
    shares = np.divide(both.sum((-2, -1)), alone, out=np.ones_like(alone), where=alone > 1e-9)
    return np.sqrt(shares.clip(min=0))
