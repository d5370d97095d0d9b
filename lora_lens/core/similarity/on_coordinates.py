"""How unevenly subspaces lie on the coordinates, and how much farther their φ scatters for it."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from ...labelled import Array
from .layers_together import AS_INDEPENDENT


def unevenness(basis: Float[Any, "*batch d i"]) -> Float[Array, "*batch"]:
    """Which share of a subspace's projector, less i/d of the identity, lies on its diagonal.

    That is Σ_a (P_aa − i/d)²/(i − i²/d), P_aa the squared norms of the basis' rows: 2/(d + 2) of uniform subspaces on average, 1 of those that
    coordinate axes span, 0 where all coordinates have the same of it. Of the whole space it is 0.

    Args:
        basis: Orthonormal columns, NumPy's or torch's on the CPU.

    Example:
        >>> axes = np.eye(4)
        >>> unevenness(np.stack([axes[:, :2], (axes[:, :2] + axes[:, 2:]) / 2**0.5])).round(9)
        array([1., 0.])
    """
    d, i = basis.shape[-2:]
    rows = np.asarray((basis**2).sum(-1), dtype=np.float64)
    all_of_it = i - i**2 / d
    return np.asarray(((rows - i / d) ** 2).sum(-1) / (all_of_it or 1.0))


def scatter_on_coordinates(
    d: int, widths: Int[NDArray[np.int64], "n layer"], uneven: Float[Array, "n layer"]
) -> Float[Array, "n n"]:
    """How many times as far the mean φ of two adapters scatters under signed permutations of coordinates as under rotations.

    Of unrelated subspaces of dimensions i and j either may be turned: by a rotation, where no direction is another than the rest, or where a
    few coordinates outweigh the rest, as in sparse factors, by no more than a permutation of the coordinates with signs. Over those
    tr PQ has the same mean and the variance

        ΣP'_aa² ΣQ'_aa²/(d − 1) + 2 Σ_{a≠b} P_ab² Σ_{a≠b} Q_ab²/(d(d − 1)),  P'_aa = P_aa − i/d,

    which is (d + 2)/2·uv + (d + 2)/d·(1 − u)(1 − v) times that over rotations, u and v as `unevenness` has them: up to
    (d + 2)/2 where coordinate axes span both, and 1 where one of the two is uniform. Layers are turned independently.

    Args:
        d: Dimension of the space.
        widths: Dimensions of the subspaces.
        uneven: Their `unevenness`.

    Returns:
        1 up to `AS_INDEPENDENT`, and on the diagonal.

    Example:
        Two lines along axes of R^6 have φ 1 once in six, or else 0; of rotated ones its variance is a quarter of that.

        >>> lines = np.ones((2, 3), dtype=np.int64)
        >>> scatter_on_coordinates(6, lines, np.ones((2, 3)))
        array([[1., 2.],
               [2., 1.]])
        >>> bool((scatter_on_coordinates(6, lines, np.array([[1.0] * 3, [2 / 8] * 3])) == 1).all())
        True
    """
    n = len(widths)
    turned, permuted = np.zeros((n, n)), np.zeros((n, n))
    for i, u in zip(widths.T.astype(np.float64), uneven.T, strict=True):
        free = i * (d - i)
        variance = np.outer(free, free) / np.minimum.outer(i, i) ** 2
        turned += variance
        permuted += variance * (d + 2) * (np.outer(u, u) / 2 + np.outer(1 - u, 1 - u) / d)
    found = np.sqrt(np.divide(permuted, turned, out=np.ones((n, n)), where=turned > 0))
    np.fill_diagonal(found, 1.0)
    return np.where(found > AS_INDEPENDENT, found, 1.0)
