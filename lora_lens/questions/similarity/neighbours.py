"""φ between many layers as blocks of neighbours, of which a terminal has room for numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...labelled import Array


class Neighbours(NamedTuple):
    """Means of φ between blocks of layers that follow each other.

    Attributes:
        size: Layers of a block; the last one may have fewer.
        first: The number of each block's first layer.
        means: (block, block), over the pairs of different layers; NaN where a block has one layer alone.
    """

    size: int
    first: tuple[int, ...]
    means: Array


def neighbours(layers: Sequence[int], values: Array, most: int) -> Neighbours:
    """φ between layers in at most `most` blocks, of as few layers as that takes.

    Args:
        layers: Their numbers.
        values: (layer, layer).
        most: Blocks.

    Example:
        >>> phi = np.array([[1.0, 0.2, 0.4], [0.2, 1.0, 0.6], [0.4, 0.6, 1.0]])
        >>> size, first, means = neighbours([4, 5, 6], phi, most=2)
        >>> size, first, means.round(3).tolist()
        (2, (4, 6), [[0.2, 0.5], [0.5, nan]])
    """
    size = math.ceil(len(layers) / most)
    starts = range(0, len(layers), size)
    pairs = 1.0 - np.eye(len(layers))
    sums, counts = (_blocks(one, starts) for one in (values * pairs, pairs))
    means = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    return Neighbours(size, tuple(layers[k] for k in starts), means)


def _blocks(values: Array, starts: Sequence[int]) -> Array:
    down = np.add.reduceat(values, starts, axis=0)
    return np.asarray(np.add.reduceat(down, starts, axis=1))
