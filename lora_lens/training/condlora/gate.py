"""CondLoRA in AdaLoRA's form: ΔW = s·P·Λ·Q with P = W0·θ_P, Q = θ_Qᵀ·W0, and Λ a layer's own diagonal.

In CondLoRA's letters: A = Λ·Q = (θ_A·Λ)ᵀ·W0 and B = P = W0·θ_B. So a layer's A is CondLoRA's with θ_A's columns
weighted by its Λ, and everything that CondLoRA does with θ_A serves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn

from .adaptive_config import CondAdaLoraConfig
from .factor import ConditionalFactor, exact_dtype, w0_of
from .groups import target_groups


class GatedFactor(ConditionalFactor):
    """One layer's Λ·Q: the shared θ, its columns weighted by the layer's own `gate`, (rank, 1)."""

    def __init__(
        self,
        theta: nn.Parameter,
        base: nn.Module,
        formula: Callable[[Tensor, Tensor], Tensor],
        gate: nn.Parameter,
    ) -> None:
        super().__init__(theta, base, formula)
        self.gate = gate

    @property
    def of_layer(self) -> Tensor:
        return self.theta * self.gate.T


def gates(model: PeftModel, adapter_name: str) -> dict[str, nn.Parameter]:
    """Path of each layer to its Λ, (rank, 1); empty for plain CondLoRA."""
    return {
        path: factor.gate
        for layers in target_groups(model, adapter_name).values()
        for path, layer in layers.items()
        if isinstance(factor := layer.lora_A[adapter_name], GatedFactor)
    }


def with_orthogonality(model: PeftModel, output: Any) -> Any:
    """A model's output in training, its loss with AdaLoRA's penalty for P and Q that are not orthonormal.

    P and Q of all layers are made from one θ each, so that it cannot vanish in all of them; it keeps
    their scale, so that entries of Λ compare.
    """
    loss = getattr(output, "loss", None)
    if not model.training or not isinstance(loss, Tensor):
        return output
    for name in model.active_adapters:
        config = model.peft_config.get(name)
        if isinstance(config, CondAdaLoraConfig) and config.orth_reg_weight > 0:
            output.loss = output.loss + config.orth_reg_weight * departure(model, name)
    return output


def departure(model: PeftModel, adapter_name: str) -> Tensor:
    """Mean of ‖PᵀP − I‖ and ‖QQᵀ − I‖ (Frobenius) over the layers, differentiable in θ."""
    return torch.stack([(gram - torch.eye(len(gram), dtype=gram.dtype, device=gram.device)).norm() for gram in _grams(model, adapter_name)]).mean()  # fmt: skip


def _grams(model: PeftModel, adapter_name: str) -> Iterator[Tensor]:
    for layers in target_groups(model, adapter_name).values():
        for layer in layers.values():
            for factor in (layer.lora_A[adapter_name], layer.lora_B[adapter_name]):
                exact = exact_dtype(factor.theta)
                w0 = w0_of(layer.get_base_layer()).to(exact)
                with torch.autocast(w0.device.type, enabled=False):
                    made = factor.formula(w0, factor.theta.to(exact))
                    short = made if made.shape[0] <= made.shape[1] else made.T
                    yield short @ short.T
