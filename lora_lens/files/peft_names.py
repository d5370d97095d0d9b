"""What PEFT calls an adapter's two files and the tensors in them, as every trainer does that writes its format."""

from __future__ import annotations

import re

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
PEFT_PREFIX = "base_model.model."
# FSDP, torch.compile, activation checkpointing and DistributedDataParallel wrap modules, and say so.
WRAPPERS = frozenset({"_fsdp_wrapped_module", "_orig_mod", "_checkpoint_wrapped_module"})
# DistributedDataParallel's and DeepSpeed's, Lightning's own and what its examples call the model.
_HOLDERS = re.compile(r"^(?:(?:module|_forward_module|model|net)\.)+(?=base_model\.model\.)")


def plain(name: str) -> str:
    """A tensor's name without wrappers and without PEFT's own prefix.

    Example:
        >>> plain("module.base_model.model.h.0._orig_mod.attn.lora_A.weight")
        'h.0.attn.lora_A.weight'
        >>> plain("base_model.model.base_model.model.h.0.attn.lora_A.weight")  # of a PeftModel within another
        'base_model.model.h.0.attn.lora_A.weight'
    """
    kept = ".".join(part for part in name.split(".") if part not in WRAPPERS)
    return _HOLDERS.sub("", kept, count=1).removeprefix(PEFT_PREFIX)
