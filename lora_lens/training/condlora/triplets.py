"""Λ, P and Q of every layer as PEFT's AdaLoRA names them, for its allocator to rank."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from peft import PeftModel
from peft.tuners.adalora.layer import RankAllocator
from torch import Tensor, nn

from ...errors import AdapterError
from .adaptive_config import CondAdaLoraConfig
from .gate import GatedFactor
from .groups import target_groups


class Triplets:
    """What an allocator asks of a model: ``lora_A``, ``lora_E`` and ``lora_B`` of every layer, with gradients.

    ``lora_E`` is the layer's Λ itself. For Q and P stand θ_Q and θ_P, which are shared: their part of an
    entry's importance is the same in every layer, and tells the columns apart, not the layers.
    """

    def __init__(self, model: PeftModel, adapter_name: str) -> None:
        self._name = adapter_name
        self._layers = [
            (path, layer)
            for layers in target_groups(model, adapter_name).values()
            for path, layer in layers.items()
        ]

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """The triplets, by names of the form that the allocator looks for."""
        for path, layer in self._layers:
            a, b = layer.lora_A[self._name], layer.lora_B[self._name]
            if isinstance(a, GatedFactor):
                yield f"{path}.lora_A.{self._name}", _transposed(a.theta)
                yield f"{path}.lora_E.{self._name}", a.gate
                yield f"{path}.lora_B.{self._name}", b.theta


def _transposed(theta: nn.Parameter) -> Tensor:
    turned = theta.detach().T
    turned.grad = None if theta.grad is None else theta.grad.T
    return turned


class Allocation(NamedTuple):
    """PEFT's allocator, and the triplets that it is asked about."""

    allocator: RankAllocator
    triplets: Triplets


def allocation(model: PeftModel, adapter_name: str = "default") -> Allocation:
    """AdaLoRA's allocator over the Λ of a model's layers.

    Raises:
        AdapterError: The adapter has no Λ.
    """
    config = model.peft_config.get(adapter_name)
    if not isinstance(config, CondAdaLoraConfig):
        raise AdapterError(
            f"adapter {adapter_name!r} has no budget; make it with a CondAdaLoraConfig"
        )
    triplets = Triplets(model, adapter_name)
    return Allocation(RankAllocator(triplets, config, adapter_name), triplets)
