"""The scale of files with PEFT's names and no configuration of PEFT's, where their trainer wrote it down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...files.locate import json_of
from ..adapter_files import AdapterFiles

_VERLS = "lora_train_meta.json"


def scale_said(files: AdapterFiles) -> str:
    """What a trainer's own configuration beside the file says of it, as the rest of a sentence; empty where none does.

    mistral-finetune and moshi-finetune write s itself, ReLoRA and verl r and α.
    """
    moshi, mistral = _beside(files, "config.json"), _beside(files, "params.json").get("lora")
    relora = _beside(files, "relora_config.json")
    if "lora_scaling" in moshi:
        return _itself("config.json", "lora_scaling", moshi["lora_scaling"])
    if isinstance(mistral, Mapping) and "scaling" in mistral:
        return _itself("params.json", "scaling", mistral["scaling"])
    if "lora_alpha" in relora:
        return (
            f"; relora_config.json says r {relora.get('r')} and lora_alpha {relora['lora_alpha']}, with which B·A is what ReLoRA "
            f"has trained since it last merged"
        )
    verl = _beside(files, _VERLS)
    if "lora_alpha" in verl:
        return f"; {_VERLS} says r {verl.get('r')} and lora_alpha {verl['lora_alpha']}"
    return ""


def contradicted(files: AdapterFiles) -> Iterator[str]:
    """What every question has to say where verl wrote down another r or α than the configuration beside it says."""
    if files.config_file is None or not (files.config_file.parent / _VERLS).is_file():
        return
    verl = _beside(files, _VERLS)
    for key in ("r", "lora_alpha"):
        own, its = files.config.get(key), verl.get(key)
        if None not in (own, its) and own != its:
            yield (
                f"adapter_config.json says {key} {own}, by which s is made, and {_VERLS} beside it, which verl writes as it trains, {its}: "
                f"one of them is not this adapter's"
            )


def _itself(name: str, key: str, s: object) -> str:
    return f"; {name} says {key} {s}, which is s itself: lora_alpha is {s} times r"


def _beside(files: AdapterFiles, name: str) -> Mapping[str, Any]:
    """A JSON object in a file beside the tensors; empty where there is none."""
    path = files.find(name)
    if path is None:
        return {}
    try:
        said = json_of(path.read_text(encoding="utf-8", errors="replace"))
    except (ValueError, RecursionError, OSError):
        return {}
    return said if isinstance(said, dict) else {}
