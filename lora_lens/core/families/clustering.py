"""Families among adapters: average-linkage clustering on 1 − φ, cut where chance and the gaps say."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from ...labelled import Array
from ..similarity.phi_by_chance import above_by_chance

Cut = Literal["chance", "gap", "given"]

_FALSE_ALARMS = 0.01  # of all pairs together, under the Gaussian null
_ROUNDING = 1e-6  # of φ in float32: where W0 leaves one span to all, chance gives 1 but for that


class Clustering(NamedTuple):
    """A tree over n things, their order under it, and a flat cut of it.

    `linkage` is scipy's (n − 1, 4): children, height 1 − φ, members. `clusters` numbers each thing's
    cluster from 1, in the order of `order`. `cut` says where that is: where ``chance`` begins, at the largest
    ``gap`` where every merge is above chance, or where as many as were ``given`` are left.
    """

    linkage: Array
    order: tuple[int, ...]
    clusters: tuple[int, ...]
    cut: Cut


def cluster(
    values: Array, mean: Array, sd: Array, count: int | None = None, least: Array | None = None
) -> Clustering:
    """Average-linkage clustering of a symmetric n×n grid of φ (``scipy.cluster.hierarchy``).

    The height of a merge is the mean of 1 − φ over the pairs that it joins. Without `count` the tree is
    cut where chance begins: before the first merge whose mean φ is not above the mean of ``mean + z·sd``
    of the pairs it joins, z such that all pairs together exceed theirs with probability 0.01, or less,
    under the Gaussian null (Bonferroni; see `above_by_chance` for its distribution). Where every merge is above chance, it is cut at the largest gap
    between successive heights instead, after the last of which comes the height that chance gives, so
    that one single cluster is a possible answer.

    Args:
        values: (n, n) φ, n at least 2.
        mean, sd: (n, n) φ's mean and deviation under the null.
        count: How many clusters to cut the tree into instead.
        least: (n, n) what φ is at least, as in `above_by_chance`; by default nothing.

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
    n = len(values)
    distance = np.clip(1 - (values + values.T) / 2, 0, None)
    linkage = hierarchy.linkage(squareform(distance, checks=False), method="average")
    merges, cut = _merges_kept(linkage, mean, sd, least) if count is None else (n - count, "given")
    order = hierarchy.leaves_list(linkage)
    return Clustering(linkage, tuple(map(int, order)), _flat(linkage, merges, order), cut)


def _merges_kept(linkage: Array, mean: Array, sd: Array, least: Array | None) -> tuple[int, Cut]:
    above = _above_chance(linkage, mean, sd, least)
    if not above.all():
        return int(above.argmin()), "chance"
    off = ~np.eye(len(mean), dtype=bool)
    heights = linkage[:, 2]
    unrelated = max(float(1 - mean[off].mean()), heights[-1])
    return int(np.diff([*heights, unrelated]).argmax()) + 1, "gap"


def _above_chance(linkage: Array, mean: Array, sd: Array, least: Array | None) -> NDArray[np.bool_]:
    """Merge by merge: whether its mean φ exceeds the mean threshold of the pairs that it joins."""
    n = len(mean)
    threshold = above_by_chance(mean, sd, _FALSE_ALARMS / (n * (n - 1) / 2), least)
    members = {k: np.array([k]) for k in range(n)}
    above = []
    for k, (one, other, height, _) in enumerate(linkage):
        first, second = members.pop(int(one)), members.pop(int(other))
        above.append(1 - height > threshold[np.ix_(first, second)].mean() + _ROUNDING)
        members[n + k] = np.concatenate([first, second])
    return np.array(above)


def _flat(linkage: Array, merges: int, order: NDArray[np.int32]) -> tuple[int, ...]:
    """Clusters after the first `merges` merges; scipy sorts them by height."""
    n = len(order)
    members = {k: [k] for k in range(n)}
    for k, (one, other) in enumerate(linkage[:merges, :2]):
        members[n + k] = members.pop(int(one)) + members.pop(int(other))
    root = {leaf: node for node, leaves in members.items() for leaf in leaves}
    numbers: dict[int, int] = {}
    for leaf in order:
        numbers.setdefault(root[int(leaf)], len(numbers) + 1)
    return tuple(numbers[root[leaf]] for leaf in range(n))
