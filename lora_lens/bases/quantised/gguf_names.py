"""llama.cpp's names of tensors, and transformers' of the same; whether rows of query and key were moved.

Only architectures of which both are known are read: others may have been turned or joined in conversion.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_LAYER = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_ALONE = {"token_embd": "model.embed_tokens", "output": "lm_head"}
_BLOCK = re.compile(r"blk\.(?P<layer>[0-9]+)\.(?P<module>\w+)\.weight")


class Architecture(NamedTuple):
    """What is known of one.

    Attributes:
        model_type: transformers' name.
        moved: Whether the rows of query and key are those of a rotation side by side, not halves of a head.
    """

    model_type: str
    moved: bool = False


ARCHITECTURES = {
    "llama": Architecture("llama", moved=True),
    "granite": Architecture("granite", moved=True),
    "qwen2": Architecture("qwen2"),
    "qwen3": Architecture("qwen3"),
    "gemma": Architecture("gemma"),
    "gemma2": Architecture("gemma2"),
    "gemma3": Architecture("gemma3_text"),
}
# Image models', whose tensors keep their own names and places.
IMAGES = frozenset(
    {"flux", "sd1", "sdxl", "sd3", "wan", "ltxv", "hyvid", "lumina2", "qwen_image", "aura", "cosmos", "hidream"}
)  # fmt: skip


def transformers_name(name: str) -> str | None:
    """transformers' name of a weight; None of what is no matrix of a known module.

    Example:
        >>> transformers_name("blk.3.ffn_down.weight"), transformers_name("blk.3.ffn_norm.weight")
        ('model.layers.3.mlp.down_proj.weight', None)
    """
    if found := _BLOCK.fullmatch(name):
        module = _LAYER.get(found["module"])
        return f"model.layers.{found['layer']}.{module}.weight" if module else None
    alone = _ALONE.get(name.removesuffix(".weight"))
    return f"{alone}.weight" if alone else None
