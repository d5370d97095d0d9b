"""The singular value decomposition of a product from its factors, which is never formed."""

from __future__ import annotations

from typing import Any, NamedTuple

from jaxtyping import Float

from ..errors import LensError
from .decompositions import singular_values
from .either import is_torch, namespace, swapped
from .triangle import triangle


class ProductSVD(NamedTuple):
    """``b @ a = u @ diag(s) @ vh`` of a product of inner dimension r, never formed."""

    u: Float[Any, "*batch out r"]
    s: Float[Any, "*batch r"]
    vh: Float[Any, "*batch r in"]


def product_svd(b: Float[Any, "*batch out r"], a: Float[Any, "*batch r in"]) -> ProductSVD:
    """Thin SVD of ``b @ a`` for r at most out and in: QR of both factors, SVD of the r×r core.

    O((out + in)·r²) instead of O(out·in·min(out, in)). Singular values descend. b and a are both
    NumPy arrays or both torch tensors, for which it is differentiable.

    Args:
        b: (..., out, r), in the dtype to compute in.
        a: (..., r, in), of the same dtype.

    Returns:
        `ProductSVD`: u (..., out, r), s (..., r) descending, vh (..., r, in).

    Raises:
        LensError: b and a have no product, are not of one kind and dtype, or it is not finite.

    Example:
        >>> import torch
        >>> svd = product_svd(torch.eye(4)[:, :2], torch.diag(torch.tensor([3.0, 2.0]))[:, [1, 0]])
        >>> svd.s
        tensor([3., 2.])
    """
    if is_torch(b) != is_torch(a) or (is_torch(b) and b.dtype != a.dtype):
        raise LensError(
            f"b is {_kind(b)} and a {_kind(a)}; expected both NumPy's or both torch's, of one dtype"
        )
    if b.ndim < 2 or a.ndim < 2 or b.shape[-1] != a.shape[-2] or b.shape[:-2] != a.shape[:-2]:
        raise LensError(
            f"b has shape {tuple(b.shape)} and a {tuple(a.shape)}; expected (..., out, r) and (..., r, in)"
        )
    linalg = namespace(b).linalg
    q_b, r_b = linalg.qr(b)
    q_a, r_a = linalg.qr(swapped(a))
    core = r_b @ swapped(r_a)
    if not bool(namespace(b).isfinite(core).all()):
        raise LensError("b or a holds NaN or infinite values, or their product is beyond the dtype")
    u, s, vh = linalg.svd(core)
    return ProductSVD(q_b @ u, s, vh @ swapped(q_a))


def _kind(x: Any) -> str:
    return f"a torch tensor of {x.dtype}" if is_torch(x) else "a NumPy array"


def product_singular_values(
    b: Float[Any, "*batch out r"], a: Float[Any, "*batch r in"]
) -> Float[Any, "*batch k"]:
    """Singular values of ``b @ a``, descending, without its singular vectors; r of them, where it is that large.

    b and a are both NumPy arrays or both torch tensors, in the dtype to compute in.

    Example:
        >>> import numpy as np
        >>> b, a = np.array([[3.0], [4.0], [0.0]]), np.array([[0.0, 2.0]])
        >>> product_singular_values(b, a).round(6)
        array([10.])
    """
    return singular_values(triangle(b) @ swapped(triangle(swapped(a))))
