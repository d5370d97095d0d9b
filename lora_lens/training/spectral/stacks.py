"""A model's LoRA layers in stacks of one shape, whose factors are taken as they are now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ...errors import AdapterError
from ...files.names import short_names, split_layer
from ...formats.live_layers import check_live, chosen_adapter, lora_layers, unwrapped


@dataclass(frozen=True)
class Watched:
    """One layer whose factors are looked at again and again.

    Attributes:
        path: Of the module.
        module: What people call it: ``value``.
        layer: Its number; None in no numbered layer.
        rows: Gives A's rows as columns, Aᵀ (in, r), as it is now.
        columns: Gives B, (out, r), as it is now.
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
    patterns = {path: (split_layer(path) or (path, None)) for path in own}
    names = short_names(pattern for pattern, _ in patterns.values())
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


def _watched(path: str, module: str, number: int | None, layer: Any, name: str) -> Watched | None:
    """None for a convolution."""
    a, b = layer.lora_A[name], layer.lora_B[name]
    if not hasattr(a, "weight") or not hasattr(b, "weight"):
        raise AdapterError(
            f"{path} is PEFT's {type(layer).__module__.rpartition('.')[0].rpartition('.')[2]} layer; "
            f"expected LoRA or CondLoRA"
        )
    for letter, factor in (("A", a.weight), ("B", b.weight)):
        if factor.numel() == 0 or hasattr(factor, "full_tensor") or factor.ndim == 1:
            raise AdapterError(
                f"{letter} of {path} is shared out over devices (FSDP, ZeRO-3), and none holds all its "
                f"numbers; train with DistributedDataParallel or ZeRO-2, or ask `lora-lens dynamics` about "
                f"the checkpoints"
            )
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
