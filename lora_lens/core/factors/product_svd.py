"""The singular value decomposition of a product from its factors, which is never formed."""

from __future__ import annotations

from typing import Any, NamedTuple

from jaxtyping import Float

from ...errors import LensError
from ...plain_torch import in_plain_torch
from ..numbers.either import in_float64, is_torch, namespace, swapped
from ..numbers.scaled import exponents, of_order_one
from .decompositions import singular_values
from .triangle import triangle


class ProductSVD(NamedTuple):
    """``b @ a = u @ diag(s) @ vh`` of a product of inner dimension r, never formed; k = min(out, r, in)."""

    u: Float[Any, "*batch out k"]
    s: Float[Any, "*batch k"]
    vh: Float[Any, "*batch k in"]


@in_plain_torch
def product_svd(b: Any, a: Any) -> ProductSVD:
    """Thin SVD of ``b @ a``: QR of both factors, SVD of the core, which is r×r where r is at most out and in.

    O((out + in)·r²) instead of O(out·in·min(out, in)). Singular values descend. b and a are both
    NumPy arrays or both torch tensors, for which it is differentiable.

    Args:
        b: (..., out, r).
        a: (..., r, in), where they are torch's of the same dtype.

    Returns:
        `ProductSVD`: u (..., out, k), s (..., k) descending, vh (..., k, in) with k = min(out, r, in), of the same
        kind, device and dtype as the input, computed in float64.

    Raises:
        LensError: b and a have no product, are not of one kind and dtype, not real or not finite, or the dtype cannot
            hold their product's largest singular value in full precision.

    Example:
        >>> import torch
        >>> svd = product_svd(torch.eye(4)[:, :2], torch.diag(torch.tensor([3.0, 2.0]))[:, [1, 0]])
        >>> svd.s
        tensor([3., 2.])
    """
    import torch

    from ..numbers.checked import as_tensors, stacked

    b, a = stacked(b=b, a=a)
    if is_torch(b) != is_torch(a) or (is_torch(b) and b.dtype != a.dtype):
        raise LensError(
            f"b is {_kind(b)} and a {_kind(a)}; expected both NumPy's or both torch's, of one dtype"
        )
    of_b, of_a = as_tensors(b=b, a=a)
    if of_b.shape[-1] != of_a.shape[-2] or of_b.shape[:-2] != of_a.shape[:-2]:
        raise LensError(
            f"b has shape {tuple(of_b.shape)} and a {tuple(of_a.shape)}; expected (..., out, r) and (..., r, in)"
        )
    dtype = torch.promote_types(of_b.dtype, of_a.dtype)
    wide_b, wide_a = in_float64(of_b), in_float64(of_a)
    power = exponents(wide_b.detach()) + exponents(wide_a.detach())
    u, s, vh = svd_of_product(of_order_one(wide_b), of_order_one(wide_a))
    half = power // 2  # 2^power alone may be out of range
    sized = torch.ldexp(torch.ldexp(s, half[..., None]), (power - half)[..., None])
    found = ProductSVD(*(x.to(dtype) for x in (u, sized, vh)))
    largest = found.s.detach()[..., 0]
    mend = "pass them scaled" if dtype == torch.float64 else "pass them in float64, or scaled"
    if bool(((s.detach()[..., 0] > 0) & (largest < torch.finfo(dtype).tiny)).any()):
        raise LensError(f"the product of b and a is too small for {dtype}; {mend}")
    if not bool(torch.isfinite(largest).all()):
        raise LensError(f"the product of b and a is beyond {dtype}; {mend}")
    return found if is_torch(b) else ProductSVD(*(x.numpy() for x in found))


def svd_of_product(b: Float[Any, "*batch out r"], a: Float[Any, "*batch r in"]) -> ProductSVD:
    """`product_svd` in the dtype of both, by the library whose arrays they are, without its checks.

    Raises:
        LensError: The product is not finite.

    Example:
        >>> import numpy as np
        >>> svd_of_product(np.array([[3.0], [4.0]]), np.array([[0.0, 2.0]])).s.round(6)
        array([10.])
    """
    linalg = namespace(b).linalg
    q_b, r_b = linalg.qr(b)
    q_a, r_a = linalg.qr(swapped(a))
    core = r_b @ swapped(r_a)
    if not bool(namespace(b).isfinite(core).all()):
        raise LensError("b or a holds NaN or infinite values, or their product is beyond the dtype")
    u, s, vh = linalg.svd(core, full_matrices=False)
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
