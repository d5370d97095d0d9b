"""An adapter folder's configuration and tensors, dispatched by its ``peft_type``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..adapter import Method
from ..bases.weights import open_base
from ..errors import AdapterError
from ..files.locate import read_json
from ..files.tensors import LocalFiles, TensorStore, open_tensors
from .condlora import (
    OURS,
    RELEASED,
    Convention,
    convention_of,
    read_condlora,
)
from .grouping import Pair
from .lora import read_lora

_WHY_NOT = {"ADALORA": "its update is B·diag(E)·A, with a rank of its own for every module"}


@dataclass(frozen=True)
class Checkpoint:
    """What an adapter folder holds, layer by layer, before it is grouped by module.

    Attributes:
        source, method, base_model, convention, left_out, trainable_parameters: As in `Adapter`.
        config: The whole ``adapter_config.json``.
        tensors: The tensors of its file.
        pairs: Module path to factors.
    """

    source: str
    method: Method
    base_model: str | None
    convention: Convention | None
    config: Mapping[str, Any]
    tensors: TensorStore
    pairs: Mapping[str, Pair]
    left_out: Mapping[str, str]
    trainable_parameters: int


def read_checkpoint(folder: Path, base: str | None = None) -> Checkpoint:
    """Read an adapter folder; see `load_adapter` for the arguments and errors."""
    config, tensors = open_folder(folder)
    source, peft_type = str(folder), config.get("peft_type")
    base_model = base or _named_base(config)
    if peft_type == "LORA":
        pairs, left_out, count = read_lora(config, tensors, source)
        return Checkpoint(source, "lora", base_model, None, config, tensors, pairs, left_out, count)
    if peft_type not in (OURS, RELEASED):
        why = _WHY_NOT.get(str(peft_type), "its numbers would be misread")
        raise AdapterError(
            f"{source} has peft_type {peft_type!r}, expected LORA, {OURS} or {RELEASED}: {why}"
        )
    if base_model is None:
        raise AdapterError(
            f"{source} names no base model, and CondLoRA makes A and B from its W0; pass --base"
        )
    weights = open_base(
        base_model, download=base is not None, fan_in_fan_out=bool(config.get("fan_in_fan_out"))
    )
    pairs, left_out, count = read_condlora(config, tensors, weights, source)
    return Checkpoint(
        source, "condlora", base_model, convention_of(config, source), config, tensors, pairs, left_out, count
    )  # fmt: skip


def open_folder(folder: Path) -> tuple[dict[str, Any], TensorStore]:
    """An adapter folder's configuration, and its tensors by name, not read yet.

    Raises:
        AdapterError: The folder, its configuration or its tensors are missing.
    """
    if not os.path.isdir(folder):  # noqa: PTH112  (a name that is too long is no folder, not an error)
        raise AdapterError(f"{folder} is not a folder; expected one with adapter_config.json")
    if not (folder / "adapter_config.json").is_file():
        raise AdapterError(f"{folder} is no adapter: it holds no adapter_config.json")
    config = read_json(folder / "adapter_config.json", AdapterError)
    tensors = open_tensors(str(folder), LocalFiles(folder), ("adapter_model",))
    if tensors is None:
        raise AdapterError(f"{folder} holds no adapter_model.safetensors or adapter_model.bin")
    return config, tensors


def _named_base(config: Mapping[str, Any]) -> str | None:
    named = config.get("base_model_name_or_path")
    return named if isinstance(named, str) and named else None
