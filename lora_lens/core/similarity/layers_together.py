"""How much the layers of an adapter go together: what a test of their mean φ has to know of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from ...labelled import Array
from ..numbers.either import as_torch, is_torch
from .pairwise import phi_of_every_pair

_COLUMNS, _FEWEST = 512, 4  # of all layers' bases together, and of one, that are compared
# Times the scatter of independent layers: a test at 5 % then errs in 7 %; of the smallest p of hundreds, one more time in three with the second.
AS_INDEPENDENT, AS_INDEPENDENT_OF_MANY = 1.1, 1.02


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

        Of many wide layers random directions of each tell: tr P_lP_m is right on average, and far nearer
        than a test's level asks for once the pairs of layers are summed.

        Example:
            >>> axes = np.eye(4)
            >>> LayersTogether.of([axes[:, :2], axes[:, :1]]).centred
            array([[1.  , 0.5 ],
                   [0.5 , 0.75]])
        """
        widths = np.array([basis.shape[-1] for basis in bases], dtype=np.int64)
        taken = np.minimum(widths, max(_FEWEST, _COLUMNS // len(bases)))
        some = [
            _some_of(basis, k, layer)
            for layer, (basis, k) in enumerate(zip(bases, taken.tolist(), strict=True))
        ]
        held = phi_of_every_pair(some) * np.minimum.outer(taken, taken)
        overlap = held * np.outer(widths / taken, widths / taken)
        np.fill_diagonal(overlap, widths)
        return cls(widths, overlap - np.outer(widths, widths) / bases[0].shape[-2])

    def among(self, layers: Sequence[int]) -> LayersTogether:
        """Of some of them, by position."""
        return LayersTogether(self.widths[layers], self.centred[np.ix_(layers, layers)])


def _some_of(basis: Float[Any, "d i"], k: int, layer: int) -> Float[Any, "d k"]:
    """As many random directions of a subspace, the same each time; all of them where it has no more."""
    if k == basis.shape[-1]:
        return basis
    drawn = np.random.default_rng([layer, k]).standard_normal((basis.shape[-1], k))
    turn = np.linalg.qr(drawn)[0]
    if is_torch(basis):
        return basis @ as_torch(turn, basis.device).to(basis)
    return basis @ turn


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


def most_groups(
    sd: Float[Array, " layer"], scatter: Float[Array, "..."]
) -> Int[NDArray[np.int64], "..."]:
    """Of how many independent groups, layers of one high together, the mean over layers scatters so far, or farther.

    Args:
        sd: Of φ in each layer; a layer's group is its position modulo their number.
        scatter: How many times as far as of independent layers.

    Example:
        >>> most_groups(np.ones(12), np.array([1.0, 2.0, 12**0.5])).tolist()
        [12, 3, 1]
    """
    layers, total = len(sd), max(float((sd**2).sum()), 1e-300)
    reached = [
        sum(sd[group::count].sum() ** 2 for group in range(count)) / total
        for count in range(layers, 0, -1)
    ]
    first = np.searchsorted(np.maximum.accumulate(reached), scatter**2 - 1e-9)
    return np.maximum(1, layers - first)
