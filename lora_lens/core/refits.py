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
        rows: Their pulled back rows.
        start: Of each draw, rows near the leading eigenvectors of its Gram matrix: those of all layers together.
        k: Columns of θ.
    """

    variants: Variants
    rows: Float[Tensor, "layer variant r in"]
    start: Float[Tensor, "draw s layer*r"]
    k: int

    def shares(
        self, layer: int, space: Whitening, w: Float[Tensor, "out in"]
    ) -> Float[Tensor, " draw"]:
        """The predicted share of one layer in every draw.

        Args:
            layer: Which.
            space: Of S₋ₗ.
            w: Of this layer, at unit norm.
        """
        others = [m for m in range(len(self.rows)) if m != layer]
        space, dtype = _working(space)
        count, r = self.rows.shape[1:3]
        white = space.whiten(self.rows[others].flatten(0, 2).to(dtype))
        images = (white @ space.whiten(w.to(dtype)).mT).unflatten(0, (-1, r)).flatten(1)
        own = self.variants.q[layer].to(dtype)
        rank = ranks(own).clamp(min=1)
        place = torch.arange(len(others), device=white.device) * count
        picks = self.variants.picks.to(white.device)
        blocks, own_picks = picks[:, others] + place, picks[:, layer]
        start = self.start.unflatten(-1, (-1, r))[:, :, others].flatten(-2).to(dtype)
        grams = _Grams(white, r, len(blocks))
        found = []
        step = max(1, _ENTRIES // (len(others) * r * max(len(others) * r, len(w))))
        for chosen, drawn, rows in zip(
            blocks.split(step), own_picks.split(step), start.split(step), strict=True
        ):
            fit = leading_eigenvectors(grams.of(chosen), self.k, rows)
            image = fit @ images[chosen].flatten(1, 2).unflatten(1, (-1, len(w)))
            found.append(_captured(image, own[drawn]) / rank[drawn])
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
    # All variants of a layer as rows of one product: broadcast, W would be copied for each.
    count = variants.q.shape[1]
    beside = variants.q.to(w.dtype).movedim(1, 2).flatten(2)
    rows = pulled_back(w, beside).unflatten(1, (count, -1))
    space, dtype = _working(space)
    layers, count, r = rows.shape[:3]
    white = space.whiten(rows.flatten(0, 2).to(dtype))
    place = torch.arange(layers, device=white.device) * count
    grams = _Grams(white, r, len(variants.picks))
    wide = min(2 * k, (layers - 1) * r)
    step = max(1, _ENTRIES // (layers * r) ** 2)
    start = [
        leading_eigenvectors(grams.of(chosen), wide, tolerance=1.0)
        for chosen in (variants.picks.to(place.device) + place).split(step)
    ]
    return Refits(variants, rows, torch.cat(start), k)


class _Grams:
    """Gram matrices of blocks of r rows each: of all blocks once, or of each draw's, whichever is less work."""

    def __init__(self, white: Tensor, r: int, draws: int) -> None:
        self.blocks = white.unflatten(0, (-1, r))
        self.count, self.r = len(self.blocks), r
        self.draws = draws
        self.every: Tensor | None = None

    def of(self, chosen: Int[Tensor, "draw block"]) -> Float[Tensor, "draw n n"]:
        n = chosen.shape[1] * self.r
        if self.count * self.r * self.count * self.r > self.draws * n * n:
            rows = self.blocks[chosen].flatten(1, 2)
            return rows @ rows.mT
        if self.every is None:
            rows = self.blocks.flatten(0, 1)
            self.every = (rows @ rows.mT).reshape(-1, self.r)
        inner = torch.arange(self.r, device=chosen.device)
        rows_of = (chosen[:, :, None] * self.r + inner).flatten(1)
        index = rows_of[:, :, None] * self.count + chosen[:, None, :]
        return self.every.index_select(0, index.flatten()).view(len(chosen), n, n)


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
