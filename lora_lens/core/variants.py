"""Factors that the draws of a null pick from."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .forwards import pulled_back, ranks

_LACKING = 1e-8  # squared, of the largest: a dimension of W_lθ that float32 does not tell from none


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
) -> Variants:
    """Of given factors.

    Args:
        w: Of any scale.
        q: Orthonormal columns, or columns of 0.
        picks: As in `Variants`.
    """
    # All variants of a layer as rows of one product: broadcast, W would be copied for each.
    beside = q.to(w.dtype).movedim(1, 2).flatten(2)
    norm = w.norm(dim=(-2, -1), keepdim=True)
    rows = pulled_back(w, beside) / torch.where(norm > 0, norm, 1)
    return Variants(rows.unflatten(1, (q.shape[1], -1)), ranks(q), picks)


def picked(
    rows: Float[Tensor, "n in"], chosen: Int[Tensor, "draw block"], r: int
) -> Float[Tensor, "draw picked in"]:
    """Of each draw, the rows of its blocks, r each."""
    return rows.unflatten(0, (-1, r))[chosen].flatten(1, 2)


def places(variants: Variants) -> Int[Tensor, "draw layer"]:
    """Where each draw's variants are among all layers' variants, one after the other."""
    count = variants.rows.shape[1]
    device = variants.rows.device
    layers = torch.arange(len(variants.rows), device=device)
    return variants.picks.to(device) + layers * count


def held(
    image: Float[Tensor, "*batch k out"], cross: Float[Tensor, "*batch k r"]
) -> Float[Tensor, "*batch"]:
    """‖PᵀQ‖_F² for P an orthonormal basis of the image's rows, given their products with Q."""
    image = image.double()
    values, vectors = torch.linalg.eigh(image @ image.mT)
    kept = values > _LACKING * values[..., -1:]
    on_each = (vectors.mT @ cross.double()).square().sum(-1)
    return (on_each / values.where(kept, torch.inf)).sum(-1)
