"""The predicted share under nulls that change every layer's factor at once: draws with θ fitted anew.

Each layer has a few variants of its factor (its own, turned by flips; uniform ones; other layers'), and a
draw picks one for every layer. So what is dear, a variant in the whitened coordinates of S₋ₗ, is
computed once for every layer and not for every draw, and two draws have a variant of two given layers in common
as rarely as there are variants squared.

There are two ways to the same θ₋ₗ. Of few rows in many dimensions it comes from the rows' Gram matrix
(`lora_lens.core.shared.refits_of_rows`); where they are as many as half the dimensions, θ₋ₗ itself is iterated
(`lora_lens.core.shared.refits_of_theta`), so that a fit costs the same however many layers there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from ..computing.progress import Progress, untold
from .chebyshev import DEGREE, block_of, decomposes
from .fitting import FittingSpace
from .refits_of_rows import RefitsOfRows
from .refits_of_theta import Beside, RefitsOfTheta
from .variants import Variants


@runtime_checkable
class Refits(Protocol):
    """The draws of one null, whose layers are added one after the other."""

    @property
    def waiting(self) -> int:
        """How many draws are made after all layers were added."""

    def add(self, layer: int, space: FittingSpace) -> None:
        """A layer, with the whitening of its S₋ₗ."""

    def shares(self, progress: Progress = untold) -> Float[Tensor, "draw layer"]:
        """The predicted shares, after all layers were added; `progress` is called with (draws done, draws)."""


def refits(
    w: Float[Tensor, "layer out in"], space: FittingSpace, nulls: Mapping[str, Variants], k: int
) -> dict[str, Refits]:
    """What draws of the given variants need, by null.

    Args:
        w: At unit norm.
        space: Of the sum of ``W_mᵀW_m`` over *all* layers.
        nulls: Factors to fit anew.
        k: Columns of θ, at most (layer−1)·r.

    Example:
        In the one draw every layer has its own factor, which one θ made.

        >>> import torch
        >>> from lora_lens.core.shared.leave_one_out_sums import left_out_sums
        >>> from lora_lens.core.shared.variants import variants_of
        >>> from lora_lens.core.shared.whitening import whitening
        >>> from lora_lens.core.shared.fitting import fitting_space
        >>> w = torch.diag_embed(torch.tensor([[0.6, 0.8], [0.8, 0.6], [1.0, 0.0]], dtype=torch.float64))
        >>> q = torch.nn.functional.normalize(w.sum(-1, keepdim=True), dim=-2)
        >>> null = variants_of(w, q[:, None], torch.zeros(1, 3, dtype=torch.int64))
        >>> grams = w.mT @ w
        >>> refit = refits(w, fitting_space(whitening(grams.sum(0))), {"own": null}, 1)["own"]
        >>> for layer, s in enumerate(left_out_sums(grams, torch.zeros(2, 2))):
        ...     refit.add(layer, fitting_space(whitening(s)))
        >>> refit.shares().round(decimals=4)
        tensor([[1., 1., 1.]], dtype=torch.float64)
    """
    found: dict[str, Refits] = {}
    beside: Beside | None = None
    for name, variants in nulls.items():
        layers, count, r, d = variants.rows.shape
        if theta_costs_less(layers, count, r, d, len(variants.picks), k):
            beside = beside or Beside.of(w, space)
            found[name] = RefitsOfTheta.of(w, space, variants, k, beside)
        else:
            found[name] = RefitsOfRows.of(w, space, variants, k)
    return found


def theta_costs_less(layers: int, count: int, r: int, d: int, draws: int, k: int) -> bool:
    """By the products of both: rows whitened for every layer, their Gram matrix and its iteration; θ's own.

    Args:
        layers, count, r, d: Of `Variants.rows`.
        draws: How many.
        k: Columns of θ.

    Example:
        >>> few, many = (theta_costs_less(layers, 40, 8, 256, 200, 8) for layers in (6, 32))
        >>> few, many
        (False, True)
    """
    n, block = (layers - 1) * r, block_of(k)
    if decomposes(n, k) or 2 * block > min(n, d):
        return False
    of_rows = (layers * count * r) / draws * d**2 + n**2 * d + (DEGREE + 2) * block * n**2
    of_theta = (2 * DEGREE + 2) * block * d**2
    return of_theta < of_rows
