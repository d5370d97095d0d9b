"""Many subspaces' sum of projectors without one of them, in the sum's own eigenvectors: a diagonal less a product."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


class Downdated(NamedTuple):
    """``Λ − CCᵀ``: a product with it costs some columns, where one with a matrix costs all of them.

    As `lora_lens.core.shared.chebyshev.Problems` are.

    Attributes:
        values: Λ.
        columns: C.
    """

    values: Float[Tensor, "batch n"]
    columns: Float[Tensor, "batch n r"]

    def image(self, x: Tensor) -> Tensor:
        return torch.baddbmm(x * self.values[:, None], x @ self.columns, self.columns.mT, alpha=-1)

    def metric(self, x: Tensor) -> None:
        return None

    def solved(self, x: Tensor) -> Tensor:
        return x

    def some(self, which: Tensor) -> Downdated:
        return Downdated(self.values[which], self.columns[which])

    def decomposed(self, k: int) -> Tensor:
        whole = torch.diag_embed(self.values) - self.columns @ self.columns.mT
        return torch.linalg.eigh(whole).eigenvectors[..., -k:].mT
