"""Files of mixtures of experts, which weigh several pairs of factors of one layer anew for every input."""

from __future__ import annotations

import re

from ...errors import AdapterError
from ..adapter_files import AdapterFiles

# LoRAMoE's and HydraLoRA's lora_B0, MoLA's lora_B_0, MOELoRA's lora_B.loraB.0.mlp; lora_route and lora_gate weigh them.
_EXPERT = re.compile(
    r"(.+)\.(lora_[AB](_?[0-9]+|(\.[^.]+)?\.lora[AB]\.[0-9]+\.mlp)|lora_(route|gate)(\.[^.]+)?(\.GateL)?)(\.[^.]+)?\.weight"
)


def check_no_mixture(files: AdapterFiles) -> None:
    """Refuse a layer with several pairs of factors, numbered, that a router or a task's gate weighs.

    Raises:
        AdapterError: There is one.
    """
    for name in sorted(files.names):
        if _EXPERT.fullmatch(name):
            raise AdapterError(
                f"{files.source} holds {name}: of a mixture of experts (as HydraLoRA's, LoRAMoE's, MoLA's or MOELoRA's), which "
                f"weighs several pairs of factors anew for every token or task and has no ΔW of its own: save one expert's as "
                f"PEFT's lora_A and lora_B, with its r and lora_alpha, and read each by itself"
            )
