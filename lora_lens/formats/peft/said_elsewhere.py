"""The scale of files with PEFT's names and no configuration of PEFT's, where their trainer wrote it down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...files.json_files import object_in
from ..adapter_files import AdapterFiles

_VERLS = "lora_train_meta.json"


def scale_said(files: AdapterFiles) -> str:
    """What a trainer's own configuration beside the file says of it, as the rest of a sentence; empty where none does.

    mistral-finetune and moshi-finetune write s itself, ReLoRA and verl r and α.
    """
    moshi, mistral = (
        object_in(files.find("config.json")),
        object_in(files.find("params.json")).get("lora"),
    )
    relora = object_in(files.find("relora_config.json"))
    if "lora_scaling" in moshi:
        return _itself("config.json", "lora_scaling", moshi["lora_scaling"])
    if isinstance(mistral, Mapping) and "scaling" in mistral:
        return _itself("params.json", "scaling", mistral["scaling"])
    if "lora_alpha" in relora:
        return (
            f"; relora_config.json says r {relora.get('r')} and lora_alpha {relora['lora_alpha']}, with which B·A is what ReLoRA "
            f"has trained since it last merged"
        )
    verl = object_in(files.find(_VERLS))
    if "lora_alpha" in verl:
        return f"; {_VERLS} says r {verl.get('r')} and lora_alpha {verl['lora_alpha']}"
    return ""


def contradicted(files: AdapterFiles) -> Iterator[str]:
    """What every question has to say where verl wrote down another r or α than the configuration beside it says."""
    if files.config_file is None or not (files.config_file.parent / _VERLS).is_file():
        return
    verl = object_in(files.find(_VERLS))
    for key in ("r", "lora_alpha"):
        own, its = files.config.get(key), verl.get(key)
        if None not in (own, its) and own != its:
            yield (
                f"adapter_config.json says {key} {own}, by which s is made, and {_VERLS} beside it, which verl writes as it trains, {its}: "
                f"one of them is not this adapter's"
            )


def _itself(name: str, key: str, s: object) -> str:
    return f"; {name} says {key} {s}, which is s itself: lora_alpha is {s} times r"
