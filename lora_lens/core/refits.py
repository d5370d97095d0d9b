"""The predicted share under nulls that change every layer's factor at once: draws with θ fitted anew.

Each layer has a few variants of its factor (its own, turned by flips; uniform ones; other layers'), and a
draw picks one for every layer. So what is dear, a variant in the whitened coordinates of S₋ₗ, is
computed once for every layer and not for every draw, and two draws have a variant of two given layers in common
as rarely as there are variants squared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .forwards import pulled_back, ranks
from .leading import leading_eigenvectors
from .whitening import Whitening

_SINGLE = 1e4  # √κ(S) up to which float32, off by √κ·6e-8 or so, is far below any null's deviation
_ENTRIES = 1 << 19  # numbers at once in the matrices of a chunk of draws: what a core's cache holds
_LACKING = 1e-8  # squared, of the largest: a dimension of W_lθ that float32 does not tell from none


class Variants(NamedTuple):
    """Factors to draw from.

    Attributes:
        q: Orthonormal columns, or columns of 0.
        picks: Which of its variants each layer has in a draw.
    """

    q: Float[Tensor, "layer variant out r"]
    picks: Int[Tensor, "draw layer"]


@dataclass(frozen=True)
class Refits:
    """Variants, with what the fits of all layers have in common.

    Attributes:
        variants: As given.
        w: At unit norm.
        rows: Their pulled back rows, in the precision that most layers can do with.
        start: Of each draw, rows near the leading eigenvectors of its Gram matrix: those of all layers together.
        k: Columns of θ.
    """

    variants: Variants
    w: Float[Tensor, "layer out in"]
    rows: Float[Tensor, "layer variant r in"]
    start: Float[Tensor, "draw s layer*r"]
    k: int

    def shares(self, layer: int, space: Whitening) -> Float[Tensor, " draw"]:
        """The predicted share of one layer in every draw.

        Args:
            layer: Which.
            space: Of S₋ₗ.
        """
        others = [m for m in range(len(self.rows)) if m != layer]
        space, dtype = _working(space)
        count, r = self.rows.shape[1:3]
        rows = self.rows if self.rows.dtype == dtype else _variant_rows(self.w, self.variants)
        white = space.whiten(rows.flatten(0, 2).to(dtype))
        whitened_w = space.whiten(self.w[layer].to(dtype))
        own = self.variants.q[layer].to(dtype)
        rank = ranks(own).clamp(min=1)
        place = torch.tensor(others, device=white.device) * count
        picks = self.variants.picks.to(white.device)
        blocks, own_picks = picks[:, others] + place, picks[:, layer]
        start = self.start.unflatten(-1, (-1, r))[:, :, others].flatten(-2).to(dtype)
        found = []
        for chosen, drawn, begin in zip(
            blocks.split(step := _step(len(others) * r)),
            own_picks.split(step),
            start.split(step),
            strict=True,
        ):
            rows = _picked(white, chosen, r)
            fit = leading_eigenvectors(rows @ rows.mT, self.k, begin)
            found.append(_captured((fit @ rows) @ whitened_w.mT, own[drawn]) / rank[drawn])
        return torch.cat(found).double().clamp(0, 1)


def refits(
    w: Float[Tensor, "layer out in"], space: Whitening, variants: Variants, k: int
) -> Refits:
    """What draws of the given variants need.

    Args:
        w: At unit norm.
        space: Of the sum of ``W_mᵀW_m`` over *all* layers.
        variants: The factors.
        k: Columns of θ, at most (layer−1)·r.
    """
    rows = _variant_rows(w, variants)
    space, dtype = _working(space)
    rows = rows.to(dtype)
    layers, count, r = rows.shape[:3]
    white = space.whiten(rows.flatten(0, 2))
    place = torch.arange(layers, device=white.device) * count
    wide = min(2 * k, (layers - 1) * r)
    start = []
    for chosen in (variants.picks.to(place.device) + place).split(_step(layers * r)):
        drawn = _picked(white, chosen, r)
        start.append(leading_eigenvectors(drawn @ drawn.mT, wide, tolerance=1.0))
    return Refits(variants, w, rows, torch.cat(start), k)


def _variant_rows(
    w: Float[Tensor, "layer out in"], variants: Variants
) -> Float[Tensor, "layer variant r in"]:
    # All variants of a layer as rows of one product: broadcast, W would be copied for each.
    count = variants.q.shape[1]
    beside = variants.q.to(w.dtype).movedim(1, 2).flatten(2)
    return pulled_back(w, beside).unflatten(1, (count, -1))


def _step(n: int) -> int:
    """Draws at a time."""
    return max(1, _ENTRIES // n**2)


def _picked(
    rows: Float[Tensor, "n whitened"], chosen: Int[Tensor, "draw block"], r: int
) -> Float[Tensor, "draw picked whitened"]:
    """Of each draw, the rows of its blocks, r each."""
    return rows.unflatten(0, (-1, r))[chosen].flatten(1, 2)


def _working(space: Whitening) -> tuple[Whitening, torch.dtype]:
    if space.sqrt_kappa <= _SINGLE:
        return space.single(), torch.float32
    return space, torch.float64


def _captured(image: Float[Tensor, "draw k out"], own: Float[Tensor, "draw out r"]) -> Tensor:
    """‖PᵀQ‖_F² for P an orthonormal basis of the image's rows."""
    image = image.double()
    values, vectors = torch.linalg.eigh(image @ image.mT)
    kept = values > _LACKING * values[:, -1:]
    cross = vectors.mT @ (image @ own.double())
    return (cross.square().sum(-1) / values.where(kept, torch.inf)).sum(-1)
