"""Two factors in the order of their product's singular values, so that the first k make its nearest matrix of rank k."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from .triangle import triangle


class Ordered(NamedTuple):
    """``b @ a``, of which ``b[:, :k] @ a[:k]`` is the nearest matrix of rank k, by Eckart and Young.

    Attributes:
        b: (out, r), columns orthogonal, the longest first.
        a: (r, in), rows orthogonal, as long as b's columns: the square roots of s.
        s: Singular values of the product, descending.
    """

    b: Float[Tensor, "out r"]
    a: Float[Tensor, "r in"]
    s: Float[Tensor, " m"]


def ordered(b: Float[Tensor, "out r"], a: Float[Tensor, "r in"]) -> Ordered:
    """The same product by factors in order: QR of both and the SVD of the core, O((out + in)·r²), never the product.

    Where the product is zero b is, and a stays as it is, so that it can be trained on.

    Args:
        b, a: In float64, finite.

    Example:
        >>> b = torch.eye(3, dtype=torch.float64)[:, :2]
        >>> found = ordered(b, torch.tensor([[0.0, 0.0625], [0.25, 0.0]], dtype=torch.float64))
        >>> found.s.tolist(), (found.b[:, :1] @ found.a[:1]).round(decimals=6).abs().tolist()
        ([0.25, 0.0625], [[0.0, 0.0], [0.25, 0.0], [0.0, 0.0]])
        >>> found.b.norm(dim=0).tolist(), found.a.norm(dim=1).tolist()
        ([0.5, 0.25], [0.5, 0.25])
    """
    q_b, r_b = torch.linalg.qr(b)
    q_a, r_a = torch.linalg.qr(a.mT)
    u, s, vh = torch.linalg.svd(r_b @ r_a.mT, full_matrices=False)
    if not bool(s[0] > 0):
        return Ordered(torch.zeros_like(b), a.clone(), s)
    root, more = s.sqrt(), (0, b.shape[1] - len(s))  # r above both sides has no further direction
    return Ordered(pad(q_b @ (u * root), more), pad((q_a @ (vh.mT * root)), more).mT, s)


def distance(
    b: Float[Tensor, "out r"], a: Float[Tensor, "r in"],
    other_b: Float[Tensor, "out k"], other_a: Float[Tensor, "k in"],
) -> Float[Tensor, ""]:  # fmt: skip
    """‖b·a − other_b·other_a‖_F, by the triangles of the factors side by side.

    Example:
        >>> b, a = torch.eye(2, 1), torch.ones(1, 3)
        >>> round(distance(b, a, b, 0.5 * a).item(), 6)  # half of √3
        0.866025
    """
    left, right = torch.cat([b, -other_b], dim=1), torch.cat([a, other_a])
    return torch.linalg.matrix_norm(triangle(left) @ triangle(right.mT).mT)
