"""θ of all layers but one, of many draws and every layer at once: products with what draws and layers have in common.

In the coordinates where the sum S over all layers is the identity, θ₋ₗ are the leading eigenvectors of
``(M − X_lᵀX_l, I − E_l)``: M, of a draw, is the sum over all layers of ``X_mᵀX_m``, the factors' pulled back rows, and
``E_l = W_lᵀW_l``, which no draw changes. So a step of an iteration is two products of the shape of θ's block, one
of which all layers of a draw have in common and the other all draws of a layer, and no Gram matrix is formed.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .chebyshev import generalised


class WithoutEach(NamedTuple):
    """One problem for every draw and layer; as `lora_lens.core.shared.chebyshev.Problems` are.

    Attributes:
        m: M of each draw.
        e: E of each layer.
        inverse: ``(I − E)⁻¹`` of each layer.
        own: X_l of each problem.
        draw, layer: Of each problem.
    """

    m: Float[Tensor, "draw n n"]
    e: Float[Tensor, "layer n n"]
    inverse: Float[Tensor, "layer n n"]
    own: Float[Tensor, "batch r n"]
    draw: Int[Tensor, " batch"]
    layer: Int[Tensor, " batch"]

    @classmethod
    def every(
        cls,
        m: Float[Tensor, "draw n n"],
        e: Float[Tensor, "layer n n"],
        inverse: Float[Tensor, "layer n n"],
        own: Float[Tensor, "draw layer r n"],
    ) -> WithoutEach:
        """Every layer of every draw, one draw after the other."""
        draw = torch.arange(len(m), device=m.device).repeat_interleave(len(e))
        layer = torch.arange(len(e), device=m.device).repeat(len(m))
        return cls(m, e, inverse, own.flatten(0, 1), draw, layer)

    def image(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self._of_draws(x), x @ self.own.mT, self.own, alpha=-1)

    def metric(self, x: Tensor) -> Tensor:
        return x - self._of_layers(x, self.e)

    def solved(self, x: Tensor) -> Tensor:
        return self._of_layers(x, self.inverse)

    def some(self, which: Tensor) -> WithoutEach:
        return self._replace(own=self.own[which], draw=self.draw[which], layer=self.layer[which])

    def decomposed(self, k: int) -> Tensor:
        eye = torch.eye(self.m.shape[-1], dtype=self.m.dtype, device=self.m.device)
        found = [
            generalised(self.m[draw] - own.mT @ own, eye - self.e[layer])[1][:, -k:].mT
            for draw, layer, own in zip(self.draw, self.layer, self.own, strict=True)
        ]
        return torch.stack(found)

    @property
    def _whole(self) -> bool:
        """Whether there is every layer of every draw, one draw after the other."""
        return len(self.draw) == len(self.m) * len(self.e)

    def _of_draws(self, x: Tensor) -> Tensor:
        if not self._whole:
            return _products(x, self.m, self.draw)
        return (x.reshape(len(self.m), -1, x.shape[-1]) @ self.m).reshape(x.shape)

    def _of_layers(self, x: Tensor, matrices: Tensor) -> Tensor:
        if not self._whole:
            return _products(x, matrices, self.layer)
        by_layer = x.unflatten(0, (len(self.m), -1)).transpose(0, 1)
        found = by_layer.flatten(1, 2) @ matrices
        return found.unflatten(1, by_layer.shape[1:3]).transpose(0, 1).flatten(0, 1)


def _products(
    x: Float[Tensor, "batch s n"], matrices: Float[Tensor, "many n n"], of: Int[Tensor, " batch"]
) -> Float[Tensor, "batch s n"]:
    """Each block of rows with its matrix: one product for all blocks of a matrix."""
    found = torch.empty_like(x)
    for place, matrix in enumerate(matrices):
        which = (of == place).nonzero()[:, 0]
        found[which] = (x[which].flatten(0, 1) @ matrix).reshape(len(which), *x.shape[1:])
    return found
