"""What the mean φ over the layers is of unrelated adapters, pair by pair."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import combinations_with_replacement

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from ...chance.gaussian_moments import Moments, gaussian_baseline
from ...chance.p_values import monte_carlo_p
from ...core.similarity.layers_together import (
    AS_INDEPENDENT_OF_MANY,
    LayersTogether,
    most_groups,
    scatter_of_mean,
)
from ...labelled import Array


def unrelated(
    d: int, ranks: Int[NDArray[np.int64], "adapter layer"]
) -> tuple[Float[Array, "n n"], Float[Array, "n n"]]:
    """Mean and deviation of the mean φ over independent layers of unrelated subspaces, pair by pair.

    Example:
        >>> mean, sd = unrelated(8, np.array([[2, 2], [4, 4]]))
        >>> mean.round(3).tolist(), sd.round(3).tolist()
        ([[0.25, 0.5], [0.5, 0.5]], [[0.09, 0.104], [0.104, 0.06]])
    """
    known, position = np.unique(ranks, return_inverse=True)
    moments = [[gaussian_baseline(d, int(i), int(j)) for j in known] for i in known]
    table = np.array(moments, dtype=np.float64).reshape(
        len(known), len(known), len(Moments._fields)
    )
    n, layers = ranks.shape
    mean, variance = np.zeros((n, n)), np.zeros((n, n))
    for at in position.reshape(ranks.shape).T:
        of_pairs = table[at[:, None], at]
        mean += of_pairs[..., 0] / layers
        variance += of_pairs[..., 1] ** 2
    return mean, np.sqrt(variance) / layers


def scatter_of_pairs(adapters: Sequence[LayersTogether]) -> Float[Array, "n n"]:
    """`scatter_of_mean` of every two; 1 where that is hardly more than independent layers have, and on the diagonal.

    Example:
        >>> same, other = (LayersTogether.of([np.eye(8)[:, k : k + 2] for k in at]) for at in ([0, 0, 0], [0, 2, 4]))
        >>> scatter_of_pairs([same, same, other]).round(3)
        array([[1.   , 1.732, 1.   ],
               [1.732, 1.   , 1.   ],
               [1.   , 1.   , 1.   ]])
    """
    found = np.ones((len(adapters), len(adapters)))
    for k, one in enumerate(adapters):
        found[k, k:] = found[k:, k] = scatter_of_mean(one, adapters[k:])
    np.fill_diagonal(found, 1.0)
    return np.where(found > AS_INDEPENDENT_OF_MANY, found, 1.0)


def p_values(
    values: Float[Array, "n n"],
    d: int,
    ranks: Int[NDArray[np.int64], "n layer"],
    scatter: Float[Array, "n n"],
    *,
    draws: int,
    seed: int,
) -> Float[Array, "n n"]:
    """Of every pair's mean φ among means of as many draws a layer; pairs of the same ranks share them.

    Where the layers of both adapters lie alike, they are drawn as so few independent groups, layers of one high together, that their
    means scatter as far, or a little farther (`most_groups`): about layers/scatter² of them where all have one rank.

    Args:
        values: Mean φ.
        d: Dimension of the space.
        ranks: Dimensions of the subspaces.
        scatter: From `scatter_of_pairs`.
        draws: Of each layer.
        seed: Of those draws.

    Returns:
        NaN on the diagonal, and everywhere without draws.

    Example:
        >>> found = p_values(np.full((2, 2), 0.5), 8, np.full((2, 3), 2), np.ones((2, 2)), draws=99, seed=0)
        >>> bool(found[0, 1] < 0.05), bool(np.isnan(found[0, 0]))
        (True, True)
    """
    found = np.full(values.shape, np.nan)
    if not draws:
        return found

    null = _Unrelated(d, draws, seed)
    known, position = np.unique(ranks, axis=0, return_inverse=True)
    groups = [np.flatnonzero(position.ravel() == k) for k in range(len(known))]
    for (k, one), (m, other) in combinations_with_replacement(enumerate(groups), 2):
        sd = [
            gaussian_baseline(d, *ij).sd
            for ij in zip(known[k].tolist(), known[m].tolist(), strict=True)
        ]
        counts = most_groups(np.array(sd), scatter[np.ix_(one, other)])
        for count in np.unique(counts).tolist():
            means = null.means(known[k], known[m], count)[:, None]
            for row, own in zip(one, counts, strict=True):
                some = other[own == count]
                found[row, some] = found[some, row] = monte_carlo_p(values[row, some], means)
    np.fill_diagonal(found, np.nan)
    return found


class _Unrelated:
    """Draws of φ of unrelated subspaces: made once for each layer and dimensions, and averaged over layers."""

    def __init__(self, d: int, draws: int, seed: int) -> None:
        # Nothing else here needs torch, which takes longer to load than a hundred adapters.
        from ...chance.gaussian import gaussian_samples
        from ...chance.streams import null_generator

        @cache
        def drawn(layer: int, i: int, j: int) -> Array:
            generator = null_generator(seed, "gaussian", layer, i, j)
            return gaussian_samples(d, i, j, draws=draws, generator=generator).numpy()

        @cache
        def in_order(layer: int, i: int, j: int) -> Array:
            """Sorted, and shuffled alike for all dimensions: high where the layer's others are high."""
            shuffled = np.random.default_rng([seed, layer]).permutation(draws)
            return np.asarray(np.sort(drawn(layer, i, j))[shuffled])

        self._drawn, self._in_order = drawn, in_order

    def means(
        self,
        one: Int[NDArray[np.int64], " layer"],
        other: Int[NDArray[np.int64], " layer"],
        count: int,
    ) -> Float[Array, " draw"]:
        """Of subspaces of these dimensions, in as many independent groups of layers."""
        pairs = [(min(ij), max(ij)) for ij in zip(one.tolist(), other.tolist(), strict=True)]
        of = self._drawn if count == len(pairs) else self._in_order
        return np.mean([of(layer % count, *ij) for layer, ij in enumerate(pairs)], axis=0)
