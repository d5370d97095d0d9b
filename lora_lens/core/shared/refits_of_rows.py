"""θ₋ₗ of every draw from the Gram matrix of the whitened rows that it is fitted to."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from ..computing.progress import Progress, untold
from .chebyshev import block_of, leading_eigenvectors
from .fitting import FittingSpace
from .variants import Variants, held, picked, places

_ENTRIES = 1 << 19  # numbers at once in the matrices of a chunk of draws: what a core's cache holds
_ROWS = 1 << 21  # numbers at once in the rows that these are of, and in what θ makes of W


@dataclass(frozen=True)
class RefitsOfRows:
    """As `lora_lens.core.shared.refits.Refits` are.

    Attributes:
        w: At unit norm.
        variants: As given.
        rows: Theirs, in the precision that most layers can do with.
        k: Columns of θ.
        start: Of each draw, rows near the leading eigenvectors of its Gram matrix: those of all layers together.
        found: Shares by layer.
    """

    w: Float[Tensor, "layer out in"]
    variants: Variants
    rows: Float[Tensor, "n in"]
    k: int
    start: Float[Tensor, "draw s every"]
    found: dict[int, Float[Tensor, " draw"]] = field(default_factory=dict)

    @classmethod
    def of(cls, w: Tensor, space: FittingSpace, variants: Variants, k: int) -> RefitsOfRows:
        """Given W at unit norm, and the whitening of all layers."""
        rows = variants.rows.flatten(0, 2).to(space.dtype)
        start = _started(space.space.whiten(rows), variants, k)
        return cls(w, variants, rows, k, start)

    def add(self, layer: int, space: FittingSpace) -> None:
        """The predicted share of one layer in every draw."""
        layers, _, r = self.variants.rows.shape[:3]
        others = [m for m in range(layers) if m != layer]
        white = space.space.whiten(self._in(space.dtype))
        whitened_w = space.space.whiten(self.w[layer].to(space.dtype))
        chosen = places(self.variants)
        ranks = self.variants.ranks.flatten().to(chosen.device).clamp(min=1)
        start = self.start.unflatten(-1, (-1, r))[:, :, others].flatten(-2).to(space.dtype)
        step = _step(len(others) * r, max(self.w.shape[-2:]))
        found = []
        for places_of, begin in zip(chosen.split(step), start.split(step), strict=True):
            rows = picked(white, places_of[:, others], r)
            own = places_of[:, layer]
            theta = leading_eigenvectors(rows @ rows.mT, self.k, begin) @ rows
            cross = theta @ picked(white, own[:, None], r).mT
            found.append(held(theta @ whitened_w.mT, cross) / ranks[own])
        self.found[layer] = torch.cat(found).double().clamp(0, 1)

    @property
    def waiting(self) -> int:
        """None: each layer's are made as it is added."""
        return 0

    def shares(self, progress: Progress = untold) -> Float[Tensor, "draw layer"]:
        """Of all layers that were added, in order."""
        progress(1, 1)
        return torch.stack([self.found[layer] for layer in sorted(self.found)], dim=1)

    def _in(self, dtype: torch.dtype) -> Tensor:
        return self.rows if self.rows.dtype == dtype else self.variants.rows.flatten(0, 2).to(dtype)


def _started(
    white: Float[Tensor, "n whitened"], variants: Variants, k: int
) -> Float[Tensor, "draw s every"]:
    layers, _, r = variants.rows.shape[:3]
    wide = min(block_of(k), (layers - 1) * r)
    start = []
    for chosen in places(variants).split(_step(layers * r, white.shape[-1])):
        drawn = picked(white, chosen, r)
        start.append(leading_eigenvectors(drawn @ drawn.mT, wide, tolerance=1.0))
    return torch.cat(start)


def _step(n: int, wide: int) -> int:
    """Draws at a time, of n rows each."""
    return max(1, min(_ENTRIES // n**2, _ROWS // (n * wide)))
