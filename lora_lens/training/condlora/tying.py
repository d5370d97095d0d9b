"""Putting a shared θ into PEFT's LoRA layers in place of their own A and B."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import torch
from peft import PeftModel
from peft.tuners.lora import Linear, LoraLayer
from torch import nn
from transformers.pytorch_utils import Conv1D

from ...errors import AdapterError
from ...sources import checksum, gaussian, stand_ins
from .adaptive_config import CondAdaLoraConfig
from .config import CondLoraConfig
from .factor import (
    ConditionalFactor,
    Substitute,
    a_consistent,
    a_stored,
    b_cond,
    w0_of,
)
from .gate import GatedFactor
from .groups import target_groups
from .layer import CondLoraLinear

_FLOATING = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def tie_factors(model: PeftModel, adapter_name: str) -> None:
    """Replace the A and B of every targeted layer by functions of its W0, a shared θ, and Λ if it has one.

    Raises:
        AdapterError: A targeted module is no linear layer in floating point, is merged, or is in no
            numbered layer; or W0 does not have the shape that the convention needs.
    """
    config = cast(CondLoraConfig, model.peft_config[adapter_name])
    _check_layers(model, adapter_name)
    groups = target_groups(model, adapter_name)
    shapes = {name: _shared_shape(name, layers, config) for name, layers in groups.items()}
    substitutes = _substitutes(groups, config)
    for name, layers in groups.items():
        out_features, in_features = shapes[name]
        first = next(iter(layers.values()))
        like, where = first.lora_A[adapter_name].weight, first.get_base_layer().weight.device
        rows = out_features if config.convention == "consistent" else in_features
        # On W0's device: PEFT's low_cpu_mem_usage leaves its own factors without memory.
        theta_a, theta_b = (
            nn.Parameter(like.new_zeros(size, config.r, device=where), like.requires_grad)
            for size in (rows, in_features)
        )
        # On θᵀ, so that the fan-in is the dimension summed over, as in nn.Linear(rows, r).
        nn.init.kaiming_uniform_(theta_a.data.T, a=math.sqrt(5))
        gated = isinstance(config, CondAdaLoraConfig)
        if gated:  # ΔW is zero by Λ, and Λ has a gradient only where θ_B is not
            nn.init.kaiming_uniform_(theta_b.data.T, a=math.sqrt(5))
        formula = a_consistent if config.convention == "consistent" else a_stored
        for path, layer in layers.items():
            base = substitutes.get(path, layer.get_base_layer())
            if gated:
                gate = nn.Parameter(
                    like.new_zeros(config.r, 1, device=base.weight.device), like.requires_grad
                )
                layer.lora_A[adapter_name] = GatedFactor(theta_a, base, formula, gate)
            else:
                layer.lora_A[adapter_name] = ConditionalFactor(theta_a, base, formula)
            layer.lora_B[adapter_name] = ConditionalFactor(theta_b, base, b_cond)
            layer.__class__ = CondLoraLinear


def _substitutes(
    groups: Mapping[str, Mapping[str, LoraLayer]], config: CondLoraConfig
) -> dict[str, Substitute]:
    """Path of each layer to what its factors are made of; none where that is its own W0."""
    modules = {name: list(layers) for name, layers in groups.items()}
    layers = {path: layer for of in groups.values() for path, layer in of.items()}
    found = {}
    for path, stand_in in stand_ins(config.source, modules).items():
        w0 = w0_of(layers[stand_in.path].get_base_layer())
        if stand_in.key is not None:
            drawn = gaussian(stand_in.key, (w0.shape[0], w0.shape[1]))
            stand_in = replace(stand_in, sha256=checksum(drawn))  # noqa: PLW2901
        found[path] = Substitute(stand_in, w0)
    return found


def _check_layers(model: PeftModel, adapter_name: str) -> None:
    for path, layer in model.get_base_model().named_modules():
        if not isinstance(layer, LoraLayer):
            continue
        if adapter_name not in (*layer.lora_A, *layer.lora_embedding_A):
            continue
        base = layer.get_base_layer()
        weight = getattr(base, "weight", None)
        if weight is not None and weight.dtype not in _FLOATING:
            raise AdapterError(
                f"W0 of {path} is stored as {weight.dtype}, but CondLoRA multiplies by W0; load the "
                f"base model without quantisation"
            )
        # A subclass of PEFT's Linear is for a W0 that only looks like floating point (torchao's).
        if type(layer) not in (Linear, CondLoraLinear) or not isinstance(base, (nn.Linear, Conv1D)):
            raise AdapterError(
                f"{path} is a {type(base).__name__}, which PEFT adapts by its {type(layer).__name__}; "
                f"CondLoRA adapts nn.Linear and Conv1D that are not quantised"
            )
        if layer.merged:
            raise AdapterError(
                f"{path} has {', '.join(layer.merged_adapters)} merged into W0; call "
                f"unmerge_adapter() before adding a CondLoRA adapter"
            )


def _shared_shape(
    name: str, layers: dict[str, LoraLayer], config: CondLoraConfig
) -> tuple[int, int]:
    shapes = {path: (layer.out_features, layer.in_features) for path, layer in layers.items()}
    if len(set(shapes.values())) > 1:
        listed = ", ".join(f"{path} {shape}" for path, shape in shapes.items())
        raise AdapterError(
            f"CondLoRA needs one W0 shape over the layers of {name!r}, found: {listed}"
        )
    out_features, in_features = next(iter(shapes.values()))
    if config.convention == "stored" and out_features != in_features:
        raise AdapterError(
            f"W0 of {name!r} is {out_features}x{in_features}; the convention 'stored' needs a "
            f"square one: use convention='consistent'"
        )
    return out_features, in_features
