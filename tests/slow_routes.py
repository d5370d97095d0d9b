"""Every kernel's second route: plain loops, explicit SVDs, dense float64 NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def _basis(matrix: Array, k: int, side: str) -> Array:
    u, _, vh = np.linalg.svd(matrix, full_matrices=k > min(matrix.shape))
    return u[:, :k] if side == "left" else vh[:k].T


def _phi(x: Array, y: Array) -> float:
    return float(((x.T @ y) ** 2).sum() / min(x.shape[1], y.shape[1]))


def slow_phi(x: Array, y: Array, i: int, j: int, side: str = "left") -> float:
    """Eq. 2 from two SVDs."""
    return _phi(_basis(x, i, side), _basis(y, j, side))


def slow_ridge(w0: Array, rhs: Array, ridge: float) -> Array:
    """(W0ᵀW0 + λ²I)⁻¹W0ᵀ rhs by its normal equations, λ `ridge` median singular values."""
    square = (ridge * np.median(np.linalg.svd(w0, compute_uv=False))) ** 2
    return np.linalg.solve(w0.T @ w0 + square * np.eye(w0.shape[1]), w0.T @ rhs)


def slow_ridge_conversions(
    w0: Array, a: Array, b: Array, convention: str, ridge: float
) -> dict[str, Array]:
    """Eq. 3 and 4 by a ridge."""
    one = slow_ridge(w0, b, ridge)
    other = slow_ridge(w0 if convention == "stored" else w0.T, a.T, ridge)
    return {"A": other, "B": one, "BA": one @ a}


def slow_conversions(w0: Array, a: Array, b: Array, convention: str) -> dict[str, Array]:
    """Eq. 3 and 4 with the inverse (or pseudo-inverse) formed."""
    inverse = np.linalg.pinv(w0)
    return {
        "A": (inverse if convention == "stored" else inverse.T) @ a.T,
        "B": inverse @ b,
        "BA": inverse @ b @ a,
    }


def slow_grid(matrices: list[Array], i: int, j: int, side: str) -> Array:
    """φ of every pair, one after the other."""
    rows, columns = ([_basis(x, k, side) for x in matrices] for k in (i, j))
    return np.array([[_phi(x, y) for y in columns] for x in rows])


def conditioned(rows: int, columns: int, condition: float, rng: np.random.Generator) -> Array:
    """A random matrix of the given condition number."""
    k = min(rows, columns)
    u, v = (np.linalg.qr(rng.standard_normal((size, k)))[0] for size in (rows, columns))
    return (u * np.geomspace(1, 1 / condition, k)) @ v.T


def conditioned_batch(rows: int, columns: int, conditions: tuple[float, ...]) -> Array:
    """A layer for each condition number."""
    rng = np.random.default_rng(1)
    return np.stack([conditioned(rows, columns, condition, rng) for condition in conditions])
