"""Adapters on disk → `Adapter`: one file a format, tried in turn. Neither transformers nor peft is needed."""

from __future__ import annotations

from . import (
    adapterhub,
    condadalora,
    condlora,
    condlora_gpart,
    condlora_released,
    diffusers_lora,
    gguf_lora,
    kohya,
    litgpt,
    loralib,
    mlx_lora,
    peft_adalora,
    peft_lora,
    peft_methods,
    torchtune,
    xlabs,
)
from .format import Format
from .loading import adapter_of, load_adapter

__all__ = ["FORMATS", "Format", "adapter_of", "load_adapter"]

# Where the files of two would match, a test says so: none is read because it comes first.
FORMATS: tuple[Format, ...] = (
    peft_lora.FORMAT,
    peft_adalora.FORMAT,
    peft_methods.FORMAT,
    condlora.FORMAT,
    condadalora.FORMAT,
    condlora_released.FORMAT,
    condlora_gpart.FORMAT,
    mlx_lora.FORMAT,
    kohya.FORMAT,
    diffusers_lora.FORMAT,
    xlabs.FORMAT,
    loralib.FORMAT,
    litgpt.FORMAT,
    torchtune.FORMAT,
    adapterhub.FORMAT,
    gguf_lora.FORMAT,
)
