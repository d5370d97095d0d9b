"""PEFT's LoRA layer with CondLoRA's factors: the fast forward, and factors kept while merged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import torch
from peft.tuners.lora import Linear
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from .factor import ConditionalFactor, a_consistent
from .update import LowRankUpdate, Plan


class CondLoraLinear(Linear):
    """PEFT's LoRA layer over a linear layer, some of whose adapters are CondLoRA's.

    Its forward is `LowRankUpdate` for the active adapters. PEFT's own, which reads the factors'
    ``weight``, serves everything else: disabled or merged adapters, a batch of mixed adapters, a
    plain LoRA adapter beside CondLoRA's, and a W0 that is trained too.
    """

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        names = [name for name in self.active_adapters if name in self.lora_A]
        if args or kwargs or self.disable_adapters or self.merged or not self._fast(names):
            return cast(Tensor, super().forward(x, *args, **kwargs))
        out = y = self.base_layer(x)
        for name in names:
            out = self._updated(name, out, x, is_base_output=out is y)
        return cast(Tensor, out)

    def _fast(self, names: list[str]) -> bool:
        tied = all(isinstance(self.lora_A[name], ConditionalFactor) for name in names)
        return tied and not self.get_base_layer().weight.requires_grad

    def _updated(self, name: str, y: Tensor, x: Tensor, *, is_base_output: bool) -> Tensor:
        base, factor_a = self.base_layer, self.lora_A[name]
        theta_a, theta_b = factor_a.of_layer, self.lora_B[name].of_layer
        # Under autocast PEFT's branch is computed in what autocast gave y, otherwise in θ's dtype.
        autocast = torch.is_autocast_enabled(y.device.type)
        dtype = y.dtype if autocast else theta_a.dtype
        dropout = self.lora_dropout[name]
        dropped = self.training and isinstance(dropout, nn.Dropout) and dropout.p > 0
        if dropped:
            x = dropout(x if autocast else x.to(dtype))
        bias = getattr(base, "bias", None)
        consistent = factor_a.formula is a_consistent
        own = factor_a.substitute is None
        through_y = (
            own and consistent and is_base_output and not dropped and _is_frozen_product(base)
        )
        rounded = torch.finfo(y.dtype).bits < 32
        from_y = through_y and not (rounded and bias is not None)
        plan = Plan(consistent, through_y, from_y, self.scaling[name], dtype)
        return cast(Tensor, LowRankUpdate.apply(y, x, theta_a, theta_b, factor_a.w0, bias, plan))

    def merge(self, *args: Any, **kwargs: Any) -> None:
        for factor in self._factors():
            factor.keep()
        try:
            super().merge(*args, **kwargs)
        finally:
            self._let_go_unless_merged()  # a safe merge that found NaN leaves W0 as it was

    def unmerge(self) -> None:
        super().unmerge()
        self._let_go_unless_merged()

    def _let_go_unless_merged(self) -> None:
        if not self.merged:
            for factor in self._factors():
                factor.let_go()

    def _factors(self) -> Iterator[ConditionalFactor]:
        for factor in (*self.lora_A.values(), *self.lora_B.values()):
            if isinstance(factor, ConditionalFactor):
                yield factor


def _is_frozen_product(base: nn.Module) -> bool:
    """Whether the layer's output is x·W0ᵀ + b and nothing in it is trained."""
    plain = type(base) in (nn.Linear, Conv1D)
    bias = getattr(base, "bias", None)
    hooked = base._forward_hooks or base._forward_pre_hooks
    return plain and not hooked and not (bias is not None and bias.requires_grad)
