"""What PEFT calls an adapter's two files and the tensors in them, as every trainer does that writes its format."""

from __future__ import annotations

import re

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
PEFT_PREFIX = "base_model.model."
# FSDP, torch.compile, torch_xla, activation checkpointing and DistributedDataParallel wrap modules, and say so.
WRAPPERS = frozenset(
    {"_fsdp_wrapped_module", "_orig_mod", "_orig_module", "_checkpoint_wrapped_module"}
)
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
    return _HOLDERS.sub("", _unwrapped(name), count=1).removeprefix(PEFT_PREFIX)


def holder(name: str) -> str | None:
    """What the PEFT model that a tensor is of is called in what it was saved with; None where its name tells of none.

    Example:
        >>> holder("llm.base_model.model.h.0.attn.lora_A.weight"), holder("h.0.attn.lora_A.weight")
        ('llm', None)
        >>> holder("base_model.model.llm.base_model.model.h.0.attn.lora_A.weight")  # one within another
        ''
    """
    before, found, _ = f".{_unwrapped(name)}".partition(f".{PEFT_PREFIX}")
    return before.removeprefix(".") if found else None


def _unwrapped(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)
