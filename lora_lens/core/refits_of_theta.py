"""θ₋ₗ of every draw and layer iterated as it is, from the draw's θ of all layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from .leading import iterated, leading_eigenvectors
from .refits_of_rows import RefitsOfRows
from .variants import held, picked, places
from .without_each import WithoutEach
from .working import Working

_ROWS = 1 << 19  # numbers in the rows that are iterated at once: what a core's cache holds
_AMPLIFIED = 1e3  # of (I − E)⁻¹: float32 is off by that times 6e-8, far below any null's deviation


class Beside(NamedTuple):
    """What all nulls have in common, in the whitening of all layers: three matrices a layer.

    In float32 they take less than W and its Gram matrices in float64, which the fit itself has.

    Attributes:
        w: Of each layer.
        e: ``WᵀW``.
        inverse: ``(I − E)⁻¹``.
        benign: Where that is not so large that float32 would not do.
    """

    w: Float[Tensor, "layer out whitened"]
    e: Float[Tensor, "layer whitened whitened"]
    inverse: Float[Tensor, "layer whitened whitened"]
    benign: Bool[Tensor, " layer"]

    @classmethod
    def of(cls, w: Float[Tensor, "layer out in"], space: Working) -> Beside:
        """Given W at unit norm, and the whitening of all layers."""
        white = torch.stack([space.space.whiten(one.to(space.dtype)) for one in w])
        e = white.mT @ white
        inverses, benign = zip(*map(_inverse, e), strict=True)
        return cls(white, e, torch.stack(inverses), torch.stack(benign))


@dataclass(frozen=True)
class RefitsOfTheta:
    """As `lora_lens.core.refits.Refits` are; all that is added is done at the end.

    Attributes:
        of_rows: The other way, for layers that see nearly alone what they see: (I − E)⁻¹ is then large.
        beside: Of all layers.
    """

    of_rows: RefitsOfRows
    beside: Beside

    def add(self, layer: int, space: Working) -> None:
        """Nothing yet, where the layer is benign."""
        if not self.beside.benign[layer]:
            self.of_rows.add(layer, space)

    def shares(self) -> Float[Tensor, "draw layer"]:
        """Of all layers."""
        variants = self.of_rows.variants
        chosen = places(variants)
        found = torch.empty(chosen.shape, dtype=torch.float64, device=chosen.device)
        for layer, shares in self.of_rows.found.items():
            found[:, layer] = shares
        layers = self.beside.benign.nonzero()[:, 0].to(chosen.device)
        if len(layers):
            numbers = len(layers) * 2 * self.of_rows.k * self.beside.w.shape[-1]
            parts = [self._fitted(some, layers) for some in chosen.split(max(1, _ROWS // numbers))]
            found[:, layers] = torch.cat(parts)
        return found

    def _fitted(self, chosen: Tensor, layers: Tensor) -> Float[Tensor, "draw some_layer"]:
        r, k = self.of_rows.variants.rows.shape[2], self.of_rows.k
        rows = picked(self.of_rows.white, chosen, r)
        m = rows.mT @ rows
        own = rows.unflatten(1, (-1, r))[:, layers]
        draws = torch.arange(len(m), device=m.device).repeat_interleave(len(layers))
        each = torch.arange(len(layers), device=m.device).repeat(len(m))
        problems = WithoutEach(
            m, self.beside.e[layers], self.beside.inverse[layers], own.flatten(0, 1), draws, each
        )
        together = leading_eigenvectors(m, 2 * k, tolerance=1.0)
        # What all layers start from, after a step without layer l's own rows.
        start = (together @ m)[:, None] - (together[:, None] @ own.mT) @ own
        start = torch.nn.functional.normalize(start.flatten(0, 1), dim=-1)
        theta = iterated(problems, k, start)
        theta = theta.unflatten(0, (len(m), -1))
        image = torch.stack(
            [
                (theta[:, place] @ self.beside.w[layer].mT)
                for place, layer in enumerate(layers.tolist())
            ],
            dim=1,
        )
        ranks = self.of_rows.variants.ranks.flatten().to(chosen.device)[chosen[:, layers]]
        return (held(image, theta @ own.mT) / ranks.clamp(min=1)).clamp(0, 1)


def _inverse(e: Float[Tensor, "n n"]) -> tuple[Tensor, Tensor]:
    """``(I − E)⁻¹`` by Cholesky in float64, and whether it is benign."""
    eye = torch.eye(len(e), dtype=torch.float64, device=e.device)
    factor, info = torch.linalg.cholesky_ex(eye - e.double())
    inverse = torch.cholesky_inverse(factor)
    benign = (info == 0) & (inverse.diagonal().sum() - len(e) <= _AMPLIFIED)
    return inverse.to(e.dtype), benign
