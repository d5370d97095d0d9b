"""Flux LoRAs of XLabs: one file, ``double_blocks.0.processor.qkv_lora1.down.weight``.

Its attention processors add to Flux's own projections: 1 to the image's, 2 to the text's. In a single block
``qkv_lora`` adds to the rows of ``linear1`` that are the attention's, called ``linear1.qkv`` here. No α is
saved, and s is 1.
"""

from __future__ import annotations

import re

from .adapter_files import AdapterFiles
from .format import Checkpoint, Format
from .image.parts import by_module
from .image.updates import by_alpha, read_modules

_FACTOR = re.compile(
    r"(?P<block>(?:double|single)_blocks\.[0-9]+)\.processor\.(?P<which>(?:qkv|proj)_lora[12]?)\.(?P<part>down|up)\.weight"
)
_MODULES = {
    "qkv_lora1": "img_attn.qkv",
    "proj_lora1": "img_attn.proj",
    "qkv_lora2": "txt_attn.qkv",
    "proj_lora2": "txt_attn.proj",
    "qkv_lora": "linear1.qkv",
    "proj_lora": "linear2",
}


def _place(name: str) -> tuple[str, str] | None:
    found = _FACTOR.fullmatch(name)
    if found is None:
        return None
    return f"transformer.{found['block']}.{_MODULES[found['which']]}", found["part"]


def _read(files: AdapterFiles) -> Checkpoint:
    found = read_modules(files, by_module(files, _place), by_alpha)
    return found.checkpoint(files, *found.scales(), *found.notes)


FORMAT = Format(
    name="xlabs",
    title="XLabs' LoRA of Flux",
    matches=lambda files: not files.config and files.holds(_FACTOR),
    read=_read,
    cannot="IP-Adapters and ControlNets of the same processors are left out",
    stems=("lora",),
)
