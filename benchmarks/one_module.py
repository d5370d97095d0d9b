"""An adapter of one module, in memory, on a base that is at hand."""

from __future__ import annotations

import lora_lens as ll
from lora_lens.adapter import ModuleFactors


def one_module(factors: ModuleFactors, base: ll.BaseWeights, source: str) -> ll.Adapter:
    """Of these factors alone; `source` is what results call it."""
    return ll.Adapter(
        modules={factors.module: factors},
        source=source,
        method="lora",
        base_model=base.source,
        base_given=True,
        left_out={},
        trainable_parameters=0,
    )
