"""One layer's A or B, as a function of its frozen W0 and the shared θ."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from ...sources import StandIn


def a_consistent(w0: Tensor, theta: Tensor) -> Tensor:
    """A_cond (rank, in) = θ_Aᵀ W0, Eq. 5."""
    return theta.T @ w0


def a_stored(w0: Tensor, theta: Tensor) -> Tensor:
    """A_cond (rank, in) = (W0 θ_A)ᵀ, as the released code has it."""
    return (w0 @ theta).T


def b_cond(w0: Tensor, theta: Tensor) -> Tensor:
    """B_cond (out, rank) = W0 θ_B, Eq. 6."""
    return w0 @ theta


def w0_of(base: nn.Module) -> Tensor:
    """W0 as (out, in), whichever way the layer stores it; a view."""
    weight = cast(Tensor, base.weight)
    return weight.T if isinstance(base, Conv1D) else weight


def exact_dtype(theta: Tensor) -> torch.dtype:
    """The dtype factors are computed in: θ's, but never less than float32."""
    return torch.promote_types(theta.dtype, torch.float32)


class Substitute(nn.Module):
    """What stands for W0 in one layer's factors; it is no part of what is saved.

    Attributes:
        stand_in: What it is.
        weight: (out, in), float32.
    """

    def __init__(self, stand_in: StandIn, w0: Tensor) -> None:
        super().__init__()
        self.stand_in = stand_in
        # A copy, for W0 of another layer changes where an adapter is merged into that.
        self.register_buffer("weight", stand_in.of(w0).detach().float().clone(), persistent=False)


class ConditionalFactor(nn.Module):
    """One layer's A or B, computed from its frozen W0, or its substitute, and the θ that all layers share.

    Stands where PEFT keeps an ``nn.Linear``; PEFT reads its ``weight`` to merge and to cast.
    """

    _kept: Tensor | None

    def __init__(
        self, theta: nn.Parameter, base: nn.Module, formula: Callable[[Tensor, Tensor], Tensor]
    ) -> None:
        super().__init__()
        self.theta = theta
        self.formula = formula
        self._base = (base,)  # in a tuple, so that W0 is not registered here a second time
        self.substitute = base if isinstance(base, Substitute) else None
        self.register_buffer("_kept", None, persistent=False)

    @property
    def w0(self) -> Tensor:
        """What it is made of, (out, in)."""
        return w0_of(self._base[0])

    @property
    def of_layer(self) -> Tensor:
        """θ as this layer has it."""
        return self.theta

    def keep(self) -> None:
        """Hold on to the factor as it is: while an adapter is merged, W0 itself is not at hand."""
        if self._kept is None:
            self._kept = self.weight.detach()

    def let_go(self) -> None:
        """Follow W0 and θ again."""
        self._kept = None

    @property
    def weight(self) -> Tensor:
        if self._kept is not None:
            return self._kept
        exact = exact_dtype(self.theta)
        # Autocast would round W0 and θ before they are multiplied.
        with torch.autocast(self.theta.device.type, enabled=False):
            factor = self.formula(self.w0.to(exact), self.of_layer.to(exact))
        return factor.to(self.theta.dtype)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.weight)
