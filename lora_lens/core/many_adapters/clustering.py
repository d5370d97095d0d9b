"""Families among adapters: average-linkage clustering by φ beside its chance, cut where chance and the gaps say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from ...labelled import Array
from ..similarity.phi_by_chance import above_by_chance

Cut = Literal["chance", "gap", "given"]
Grid = NDArray[np.floating[Any]]

_FALSE_ALARMS = 0.01  # of all pairs together, under the Gaussian null
_ROUNDING = 1e-6  # of φ in float32: where W0 leaves one span to all, chance gives 1 but for that


class Clustering(NamedTuple):
    """A tree over n things, their order under it, and a flat cut of it.

    `linkage` is scipy's (n − 1, 4): children, height, members. `clusters` numbers each thing's
    cluster from 1, in the order of `order`. `cut` says how: by ``chance``, branch by branch, at the largest
    ``gap`` where every merge is above chance, or where as many as were ``given`` are left.
    """

    linkage: Array
    order: tuple[int, ...]
    clusters: tuple[int, ...]
    cut: Cut


def cluster(
    values: Grid,
    mean: Grid | float,
    sd: Grid | float,
    count: int | None = None,
    least: Grid | float = 0.0,
) -> Clustering:
    """Average-linkage clustering of a symmetric n×n grid of φ (``scipy.cluster.hierarchy``).

    The height of a merge is the mean of 1 − φ over the pairs that it joins; where chance differs from pair to pair
    (`chance_differs`), of 1 − excess, (1 − φ)/(1 − mean), or 1 where chance gives 1: by φ alone, unrelated things whose chance is
    high would be joined before a family whose chance is low.

    Without `count` the tree is cut where chance begins. A merge is kept if those below it are, and if its mean φ is above the
    mean of ``mean + z·sd`` of the pairs it joins, z such that all pairs together exceed theirs with probability 0.01, or less,
    under the Gaussian null (Bonferroni; see `above_by_chance` for its distribution). Where every merge is above chance, it is cut at the largest gap
    between successive heights instead, after the last of which comes the height that chance gives, so
    that one single cluster is a possible answer.

    Args:
        values: (n, n) φ, n at least 2.
        mean, sd: (n, n) φ's mean and deviation under the null; or one number that all pairs have, which takes no memory.
        count: How many clusters to cut the tree into instead.
        least: Likewise, what φ is at least, as in `above_by_chance`.

    Returns:
        The tree, the order of its leaves, each thing's cluster, and which cut it was.

    Example:
        >>> values = np.array([[1.0, 0.9, 0.1], [0.9, 1.0, 0.1], [0.1, 0.1, 1.0]])
        >>> chance = np.full((3, 3), 0.1)
        >>> cluster(values, chance, chance / 10).clusters
        (2, 2, 1)
        >>> cluster(values, chance / 2, chance / 100).cut
        'gap'
    """
    distance = np.maximum(1 - _pairs(values), 0)
    mean, sd, least = _pairs(mean), _pairs(sd), _pairs(least)
    unrelated = 1 - mean
    if _differs(mean):
        tells = unrelated > _ROUNDING
        distance, unrelated = (
            np.divide(each, unrelated, out=np.ones_like(each), where=tells)
            for each in (distance, unrelated)
        )
    linkage = hierarchy.linkage(distance, method="average")
    expected = float(unrelated.mean())
    del distance, unrelated  # of thousands of things, megabytes beside what comes
    cut: Cut = "chance"
    kept = _above_chance(linkage, values, mean, sd, least)
    if count is not None:
        kept, cut = _first(linkage, len(values) - count), "given"
    elif kept.all():
        kept, cut = _first(linkage, _at_gap(linkage, expected)), "gap"
    order = hierarchy.leaves_list(linkage)
    return Clustering(linkage, tuple(map(int, order)), _flat(linkage, kept, order), cut)


def chance_differs(mean: Array) -> bool:
    """Whether what chance gives φ differs from pair to pair, as it does where ranks do.

    Example:
        >>> chance_differs(np.array([[1, 0.1, 0.1], [0.1, 1, 0.2], [0.1, 0.2, 1]]))
        True
    """
    return _differs(_pairs(mean))


def _differs(pairs: Array) -> bool:
    return bool(pairs.max() - pairs.min() > _ROUNDING)


def _pairs(grid: Grid | float) -> Array:
    """Of each pair once, or of all of them."""
    found = np.asarray(grid)
    return (squareform(found, checks=False) if found.ndim else found).astype(np.float64)


def joined(linkage: Array) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Merge by merge, the things on either side of it.

    Example:
        >>> tree = np.array([[0.0, 2.0, 0.1, 2.0], [1.0, 3.0, 0.5, 3.0]])
        >>> [(one.tolist(), other.tolist()) for one, other in joined(tree)]
        [([0], [2]), ([1], [0, 2])]
    """
    n = len(linkage) + 1
    members = {k: np.array([k]) for k in range(n)}
    for k, (one, other) in enumerate(linkage[:, :2]):
        first, second = members.pop(int(one)), members.pop(int(other))
        yield first, second
        members[n + k] = np.concatenate([first, second])


def _above_chance(
    linkage: Array, values: Grid, mean: Array, sd: Array, least: Array
) -> NDArray[np.bool_]:
    """Merge by merge: whether its mean φ exceeds the mean threshold of the pairs that it joins, and those below it do."""
    n = len(values)
    mean, sd, least = np.broadcast_arrays(mean, sd, least)
    found = above_by_chance(mean, sd, _FALSE_ALARMS / (n * (n - 1) // 2), least)
    threshold = squareform(found) if found.ndim else found
    kept = dict.fromkeys(range(n), True)
    for k, (pairs, (one, other)) in enumerate(
        zip(joined(linkage), linkage[:, :2].astype(int), strict=True)
    ):
        at = np.ix_(*pairs)
        asked = threshold[at].mean() if threshold.ndim else threshold
        above = values[at].mean(dtype=np.float64) > asked + _ROUNDING
        kept[n + k] = bool(above) and kept[one] and kept[other]
    return np.array([kept[n + k] for k in range(n - 1)])


def _first(linkage: Array, merges: int) -> NDArray[np.bool_]:
    """That many merges; scipy sorts them by height."""
    return np.arange(len(linkage)) < merges


def _at_gap(linkage: Array, unrelated: float) -> int:
    """How many merges come before the largest gap between heights, the last of which is chance's."""
    heights = linkage[:, 2]
    return int(np.diff([*heights, max(unrelated, heights[-1])]).argmax()) + 1


def _flat(linkage: Array, kept: NDArray[np.bool_], order: NDArray[np.int32]) -> tuple[int, ...]:
    """Clusters by the merges that are kept, with all below them."""
    root = np.arange(len(order))
    for (first, second), keeps in zip(joined(linkage), kept, strict=True):
        if keeps:
            root[second] = root[first[0]]
    numbers: dict[int, int] = {}
    for leaf in order:
        numbers.setdefault(int(root[leaf]), len(numbers) + 1)
    return tuple(numbers[int(leaf)] for leaf in root)
