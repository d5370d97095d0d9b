"""A product of which one factor is the identity: the other one itself, as of what was trained in full."""

from __future__ import annotations

from typing import Any

from jaxtyping import Float


def beside_identity(b: Float[Any, "out r"], a: Float[Any, "r in"]) -> Float[Any, "out in"] | None:
    """``b @ a`` where one of the two is the identity, and so without a product; None where neither is.

    Example:
        >>> import numpy as np
        >>> wide = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
        >>> beside_identity(np.eye(2), wide) is wide, beside_identity(wide.T, np.eye(2)).shape
        (True, (3, 2))
        >>> beside_identity(2 * np.eye(2), wide) is None
        True
    """
    if _is_identity(a):
        return b
    return a if _is_identity(b) else None


def values_of_each(s: Float[Any, " k"], *, of_a: bool) -> tuple[Float[Any, " k"], Float[Any, " k"]]:
    """Singular values of a and of b, of which one is the identity and the other has those of their product.

    Example:
        >>> import numpy as np
        >>> values_of_each(np.array([3.0, 2.0]), of_a=True)
        (array([3., 2.]), array([1., 1.]))
    """
    ones = s * 0 + 1
    return (s, ones) if of_a else (ones, s)


def _is_identity(x: Float[Any, "rows columns"]) -> bool:
    rows, columns = x.shape
    if rows != columns or not bool((x.diagonal() == 1).all()):
        return False
    return int((x != 0).sum()) == rows
