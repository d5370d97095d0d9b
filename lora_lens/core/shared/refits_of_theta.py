"""θ₋ₗ of every draw and layer iterated as it is, from the draw's θ of all layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..computing.progress import Progress, untold
from .chebyshev import block_of, iterated, leading_eigenvectors
from .fitting import FittingSpace
from .refits_of_rows import RefitsOfRows
from .variants import Variants, held, picked, places
from .without_each import WithoutEach

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
    def of(cls, w: Float[Tensor, "layer out in"], space: FittingSpace) -> Beside:
        """Given W at unit norm, and the whitening of all layers."""
        white = torch.stack([space.space.whiten(one.to(space.dtype)) for one in w])
        e = white.mT @ white
        inverses, benign = zip(*map(_inverse, e), strict=True)
        return cls(white, e, torch.stack(inverses), torch.stack(benign))


@dataclass(frozen=True)
class RefitsOfTheta:
    """As `lora_lens.core.shared.refits.Refits` are; all that is added is done at the end.

    Attributes:
        variants: As given.
        white: Their rows in the whitening of all layers.
        k: Columns of θ.
        beside: Of all layers.
        hard: The other way, for layers that see nearly alone what they see: (I − E)⁻¹ is large.
    """

    variants: Variants
    white: Float[Tensor, "n whitened"]
    k: int
    beside: Beside
    hard: RefitsOfRows | None

    @classmethod
    def of(
        cls, w: Tensor, space: FittingSpace, variants: Variants, k: int, beside: Beside
    ) -> RefitsOfTheta:
        """Given W at unit norm, and the whitening of all layers."""
        white = space.space.whiten(variants.rows.flatten(0, 2).to(space.dtype))
        hard = None if beside.benign.all() else RefitsOfRows.of(w, space, variants, k)
        return cls(variants, white, k, beside, hard)

    def add(self, layer: int, space: FittingSpace) -> None:
        """Nothing yet, where the layer is benign."""
        if self.hard is not None and not self.beside.benign[layer]:
            self.hard.add(layer, space)

    @property
    def waiting(self) -> int:
        """All draws, but of layers that go the other way."""
        return len(self.variants.picks)

    def shares(self, progress: Progress = untold) -> Float[Tensor, "draw layer"]:
        """Of all layers; `progress` is called with (draws done, draws)."""
        chosen = places(self.variants)
        if self.hard is None:
            every = torch.arange(chosen.shape[1]).to(chosen)
            return self._of(chosen, every, self.beside, progress)
        found = torch.empty(chosen.shape, dtype=torch.float64, device=chosen.device)
        for layer, shares in self.hard.found.items():
            found[:, layer] = shares
        layers = self.beside.benign.nonzero()[:, 0]
        if len(layers):
            some = Beside(*(each[layers] for each in self.beside))
            found[:, layers] = self._of(chosen, layers, some, progress)
        else:
            progress(len(chosen), len(chosen))
        return found

    def _of(
        self,
        chosen: Int[Tensor, "draw layer"],
        layers: Int[Tensor, " some"],
        beside: Beside,
        progress: Progress,
    ) -> Float[Tensor, "draw some"]:
        step = max(1, _ROWS // (len(layers) * block_of(self.k) * self.white.shape[-1]))
        found = []
        for start in range(0, len(chosen), step):
            found.append(self._fitted(chosen[start : start + step], layers, beside))
            progress(min(start + step, len(chosen)), len(chosen))
        return torch.cat(found)

    def _fitted(self, chosen: Tensor, layers: Tensor, beside: Beside) -> Tensor:
        r = self.variants.rows.shape[2]
        rows = picked(self.white, chosen, r)
        m = rows.mT @ rows
        own = rows.unflatten(1, (-1, r))[:, layers]
        problems = WithoutEach.every(m, beside.e, beside.inverse, own)
        together = leading_eigenvectors(m, block_of(self.k), tolerance=1.0)
        # What all layers start from, after a step without layer l's own rows.
        start = (together @ m)[:, None] - (together[:, None] @ own.mT) @ own
        start = torch.nn.functional.normalize(start.flatten(0, 1), dim=-1)
        theta = iterated(problems, self.k, start).unflatten(0, (len(m), -1))
        by_layer = zip(theta.unbind(1), beside.w, strict=True)
        image = torch.stack([one @ w.mT for one, w in by_layer], dim=1)
        ranks = self.variants.ranks.flatten().to(chosen.device)[chosen[:, layers]]
        return (held(image, theta @ own.mT) / ranks.clamp(min=1)).clamp(0, 1)


def _inverse(e: Float[Tensor, "n n"]) -> tuple[Tensor, Tensor]:
    """``(I − E)⁻¹`` by Cholesky in float64, and whether it is benign."""
    eye = torch.eye(len(e), dtype=torch.float64, device=e.device)
    factor, info = torch.linalg.cholesky_ex(eye - e.double())
    inverse = torch.cholesky_inverse(factor)
    benign = (info == 0) & (inverse.diagonal().sum() - len(e) <= _AMPLIFIED)
    return inverse.to(e.dtype), benign
