"""Factors that the draws of a null pick from."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .shared_layer import LACKING, pulled_back, ranks


class Variants(NamedTuple):
    """A few variants of every layer's factor.

    Attributes:
        rows: ``QᵀW`` of each, W at unit norm: all that a fit and a share need of a factor.
        ranks: Columns of Q that are not 0.
        picks: Which of its variants each layer has in a draw.
    """

    rows: Float[Tensor, "layer variant r in"]
    ranks: Int[Tensor, "layer variant"]
    picks: Int[Tensor, "draw layer"]


def variants_of(
    w: Float[Tensor, "layer out in"],
    q: Float[Tensor, "layer variant out r"],
    picks: Int[Tensor, "draw layer"],
    after_each: Callable[[], None] = lambda: None,
) -> Variants:
    """Of given factors.

    Args:
        w: Of any scale.
        q: Orthonormal columns, or columns of 0.
        picks: As in `Variants`.
        after_each: Called after each layer, whose W is not needed any more.

    Example:
        >>> w = torch.diag(torch.tensor([0.3, 0.4]))[None]
        >>> q = torch.eye(2)[:, :, None][None]  # the first axis, and the second
        >>> made = variants_of(w, q, torch.tensor([[0], [1]]))
        >>> made.rows[0, :, 0], made.ranks
        (tensor([[0.6000, 0.0000],
                [0.0000, 0.8000]]), tensor([[1, 1]]))
    """
    count, _, r = q.shape[1:]
    rows = w.new_empty(len(w), count * r, w.shape[-1])
    for one, variants, into in zip(w, q, rows, strict=True):
        # All variants of a layer as rows of one product: broadcast, W would be copied for each.
        beside = variants.to(w.dtype).movedim(0, 1).flatten(1)
        norm = one.norm()
        into.copy_(pulled_back(one, beside)).div_(torch.where(norm > 0, norm, 1))
        after_each()
    return Variants(rows.unflatten(1, (count, r)), ranks(q), picks)


def picked(
    rows: Float[Tensor, "n in"], chosen: Int[Tensor, "draw block"], r: int
) -> Float[Tensor, "draw picked in"]:
    """Of each draw, the rows of its blocks, r each.

    Example:
        >>> rows = torch.tensor([[0.0], [1.0], [2.0], [3.0]])  # two blocks of two
        >>> picked(rows, torch.tensor([[1], [0]]), 2).squeeze(-1)
        tensor([[2., 3.],
                [0., 1.]])
    """
    return rows.unflatten(0, (-1, r))[chosen].flatten(1, 2)


def places(variants: Variants) -> Int[Tensor, "draw layer"]:
    """Where each draw's variants are among all layers' variants, one after the other.

    Example:
        >>> two, three = 2, 3  # layers, and variants of each
        >>> picks = torch.tensor([[2, 0], [0, 1]])
        >>> places(Variants(torch.zeros(two, three, 1, 4), torch.ones(two, three).long(), picks))
        tensor([[2, 3],
                [0, 4]])
    """
    count = variants.rows.shape[1]
    device = variants.rows.device
    layers = torch.arange(len(variants.rows), device=device)
    return variants.picks.to(device) + layers * count


def held(
    image: Float[Tensor, "*batch k out"], cross: Float[Tensor, "*batch k r"]
) -> Float[Tensor, "*batch"]:
    """‖PᵀQ‖_F² for P an orthonormal basis of the image's rows, given their products with Q.

    Args:
        image: Rows that span P; nearly dependent ones count once.
        cross: ``image @ Q``, Q orthonormal columns.

    Example:
        >>> image = torch.tensor([[2.0, 0.0, 0.0], [1.0, 1.0, 0.0]])  # spans the first two axes
        >>> held(image, image @ torch.tensor([[0.6], [0.0], [0.8]]))
        tensor(0.3600, dtype=torch.float64)
    """
    image = image.double()
    values, vectors = torch.linalg.eigh(image @ image.mT)
    kept = values > LACKING**2 * values[..., -1:]
    on_each = (vectors.mT @ cross.double()).square().sum(-1)
    return (on_each / values.where(kept, torch.inf)).sum(-1)
