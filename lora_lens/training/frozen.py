"""The frozen part of a model, rounded once for bfloat16 instead of in every step."""

from __future__ import annotations

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn
from transformers.pytorch_utils import Conv1D


def round_frozen(model: nn.Module) -> int:
    """Store frozen linear layers in bfloat16; how many there were.

    Autocast rounds a frozen weight anew in every forward pass (it keeps only what has a gradient), to
    the same bits as here. Layers with an adapter keep their dtype: CondLoRA makes A and B from the
    exact W0. So do layers that are trained, whose steps would be lost in rounding.
    """
    adapted = {
        id(layer.get_base_layer()) for layer in model.modules() if isinstance(layer, BaseTunerLayer)
    }
    rounded = [
        layer
        for layer in model.modules()
        if isinstance(layer, (nn.Linear, Conv1D))
        and id(layer) not in adapted
        and not any(parameter.requires_grad for parameter in layer.parameters())
    ]
    for layer in rounded:
        layer.to(torch.bfloat16)
    return len(rounded)
