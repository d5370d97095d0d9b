"""A model's LoRA layers in stacks of one shape, whose factors are taken as they are now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ...errors import AdapterError
from ...files.names import names_apart, split_layer
from ...formats.live.layers import (
    check_live,
    chosen_adapter,
    configurations,
    lora_layers,
    unwrapped,
)
from ...formats.peft.settings import ADALORA_EPSILON, check_plain


@dataclass(frozen=True)
class Watched:
    """One layer whose factors are looked at again and again.

    Attributes:
        path: Of the module.
        module: What people call it: ``value``.
        layer: Its number; None in no numbered layer.
        rows: Gives A's rows as columns, Aᵀ (in, r), as it is now; of AdaLoRA those of diag(E)·A.
        columns: Gives B, (out, r), as it is now; of AdaLoRA with zeros where E is masked.
        scaling: Gives s as it is now.
    """

    path: str
    module: str
    layer: int | None
    rows: Callable[[], Float[Tensor, "in r"]]
    columns: Callable[[], Float[Tensor, "out r"]]
    scaling: Callable[[], float]

    def tall(self, factor: str) -> Tensor:
        """``A`` (transposed) or ``B``, each a tall matrix."""
        return (self.rows if factor == "A" else self.columns)().detach()


@dataclass(frozen=True)
class Stack:
    """Layers of one module whose factors have one shape, and are on one device."""

    members: tuple[Watched, ...]

    def tall(self, factor: str) -> Float[Tensor, "layer d r"]:
        """Aᵀ or B of all layers."""
        return torch.stack([one.tall(factor) for one in self.members])


def stacks_of(model: Any, adapter: str | None = None) -> list[Stack]:
    """Every linear layer that the adapter is on, in stacks.

    Raises:
        AdapterError: There is none, or what is there is no plain s·B·A; or a factor's numbers are shared
            out over devices.
    """
    layers = lora_layers(unwrapped(model))
    name = chosen_adapter(layers, adapter)
    own = {path: layer for path, layer in layers.items() if name in layer.lora_A}
    check_live(unwrapped(model), own, name)
    _check_product(unwrapped(model), name)
    patterns = {path: (split_layer(path) or (path, None)) for path in own}
    names = names_apart(pattern for pattern, _ in patterns.values())
    groups: dict[tuple[Any, ...], list[Watched]] = {}
    for path, layer in own.items():
        pattern, number = patterns[path]
        one = _watched(path, names[pattern], number, layer, name)
        if one is not None:
            a, b = one.tall("A"), one.tall("B")
            shape = (pattern, tuple(a.shape), tuple(b.shape), a.dtype, a.device)
            groups.setdefault(shape, []).append(one)
    if not groups:
        raise AdapterError(
            f"the model's adapter {name!r} is on no linear layer, and of others there is no spectrum here"
        )
    return [
        Stack(tuple(sorted(members, key=lambda one: -1 if one.layer is None else one.layer)))
        for members in groups.values()
    ]


def _check_product(model: Any, name: str) -> None:
    """Refuse what can be read from a model's files alone: ΔW that is more than its two factors' product."""
    config = configurations(model).get(name)
    if config is not None and hasattr(config, "to_dict"):
        check_plain(config.to_dict(), f"the model's adapter {name!r}")


def _watched(path: str, module: str, number: int | None, layer: Any, name: str) -> Watched | None:
    """None for a convolution, and for what AdaLoRA has pruned to rank 0."""
    a, b = layer.lora_A[name], layer.lora_B[name]
    if hasattr(layer, "lora_E"):
        return _of_triplets(path, module, number, layer, name)
    if not hasattr(a, "weight") or not hasattr(b, "weight"):
        raise AdapterError(
            f"{path} is PEFT's {type(layer).__module__.rpartition('.')[0].rpartition('.')[2]} layer; "
            f"expected LoRA, AdaLoRA or CondLoRA"
        )
    _check_whole(path, A=a.weight, B=b.weight)
    if a.weight.ndim != 2 or b.weight.ndim != 2:
        return None
    return Watched(
        path,
        module,
        number,
        rows=lambda: a.weight.T,
        columns=lambda: b.weight,
        scaling=lambda: float(layer.scaling[name]),
    )


def _of_triplets(
    path: str, module: str, number: int | None, layer: Any, name: str
) -> Watched | None:
    """AdaLoRA's: ΔW = s·B·diag(E)·A, where what is masked has an E of 0 and no part in either factor.

    The parameters are looked up each time, for PEFT puts others in their place.
    """
    a, e, b = layer.lora_A[name], layer.lora_E[name], layer.lora_B[name]
    if tuple(e.shape) == (0, 1):
        return None
    _check_whole(path, A=a, B=b, E=e)
    return Watched(
        path,
        module,
        number,
        rows=lambda: (layer.lora_E[name] * layer.lora_A[name]).T,
        columns=lambda: layer.lora_B[name] * (layer.lora_E[name] != 0).T,
        scaling=lambda: float(layer.scaling[name]) / (float(layer.ranknum[name]) + ADALORA_EPSILON),
    )


def _check_whole(path: str, **factors: Tensor) -> None:
    for letter, factor in factors.items():
        if factor.numel() == 0 or hasattr(factor, "full_tensor") or factor.ndim == 1:
            raise AdapterError(
                f"{letter} of {path} is shared out over devices (FSDP, ZeRO-3), and none holds all its "
                f"numbers; train with DistributedDataParallel or ZeRO-2, or ask `lora-lens dynamics` about "
                f"the checkpoints"
            )
