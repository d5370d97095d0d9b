"""Made-up factors asked forwards."""

from __future__ import annotations

import torch
from torch import Tensor

from lora_lens.adapter import ModuleFactors
from lora_lens.questions.shared.asked import asked
from lora_lens.questions.shared.predicted import Predicted
from lora_lens.questions.shared.prediction import predict
from lora_lens.questions.shared.terms import Terms


def normal(*shape: int, generator: torch.Generator) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def factors_of(b: Tensor, wide: int) -> ModuleFactors:
    layers, _, r = b.shape
    return ModuleFactors(
        module="value", pattern="layer.*.value", layers=tuple(range(layers)),
        names=tuple(f"layer.{k}.value" for k in range(layers)),
        a=torch.ones(layers, r, wide, dtype=torch.float64), b=b,
        scaling=torch.ones(layers), ranks=(r,) * layers,
    )  # fmt: skip


def predicted(
    w: Tensor, b: Tensor, width: int, draws: int = 0, seed: int = 0, ridge: float = 0.0
) -> Predicted:
    of = asked(factors_of(b, w.shape[-1]), w)
    return predict(of, "B", Terms(b.shape[-1], width, draws, seed, ridge=ridge))
