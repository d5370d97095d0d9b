"""Adapters of MiniLM's value whose layers share nothing: uniform factors, and ones along each W0's own directions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import torch

import lora_lens as ll

Kind = Literal["uniform", "leading"]


def noise_adapters(kind: Kind, count: int, layers: int = 6) -> Iterator[ll.Adapter]:
    """``leading``: B_l = W_l·θ_l and A_lᵀ = W_lᵀ·θ'_l, a Gaussian θ_l and θ'_l of each layer's own; of the first `layers`."""
    adapter = ll.load_adapter(ll.demo_adapter("lora"))
    value, base = adapter.modules["value"], ll.open_base(adapter.base_model)
    w0 = torch.stack([base.w0(value, k) for k in range(layers)]).double()
    generator = torch.Generator().manual_seed(0)
    for _ in range(count):
        b, a = torch.randn(2, layers, 384, 8, generator=generator, dtype=torch.float64)
        if kind == "leading":
            b, a = w0 @ b, w0.mT @ a
        made = replace(
            value, a=a.mT.contiguous(), b=b, layers=value.layers[:layers], names=value.names[:layers],
            scaling=value.scaling[:layers], ranks=value.ranks[:layers],
        )  # fmt: skip
        yield replace(adapter, modules={"value": made})
