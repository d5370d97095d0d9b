"""Checkpoints on disk → `Adapter` and `BaseWeights`. Neither transformers nor peft is needed."""

from __future__ import annotations

from pathlib import Path

from ..adapter import Adapter
from ..bases.weights import BaseWeights, open_base, open_base_of
from ..errors import AdapterError
from ..files.locate import user_path
from .checkpoint import read_checkpoint
from .grouping import group_by_module

__all__ = ["BaseWeights", "load_adapter", "open_base", "open_base_of"]


def load_adapter(path: str | Path, base: str | Path | None = None) -> Adapter:
    """Read a LoRA or CondLoRA adapter from its folder.

    Args:
        path: Folder with ``adapter_config.json`` and ``adapter_model.safetensors`` (or ``.bin``).
        base: Folder or hub id of the base model. By default the one that the adapter's
            configuration names, which is then looked for on this machine only: a hub id given here
            may be downloaded when it is needed.

    Returns:
        The adapter. Only a CondLoRA adapter needs its base for this, since A and B are made of W0.

    Raises:
        AdapterError: No adapter there, or one whose update is not s·B·A.
        BaseModelError: A CondLoRA adapter's base is not found or does not fit.
        FileFormatError: A file is truncated, corrupt or unsafe.

    Example:
        >>> from lora_lens import demo_adapter
        >>> adapter = load_adapter(demo_adapter("lora"))
        >>> adapter.method, adapter.base_model
        ('lora', 'sentence-transformers/all-MiniLM-L6-v2')
    """
    folder = user_path(path)
    try:
        return _read(folder, base)
    except AdapterError as error:
        # One of many may be meant, as of `matrix` and `dynamics`.
        named = str(folder) in str(error)
        raise error if named else type(error)(f"{folder}: {error}") from None


def _read(folder: Path, base: str | Path | None) -> Adapter:
    found = read_checkpoint(folder, str(base) if base else None)
    modules, unplaced = group_by_module(
        found.pairs, split_c_attn=found.config.get("fan_in_fan_out") is not False
    )
    return Adapter(
        source=found.source,
        method=found.method,
        base_model=found.base_model,
        base_given=bool(base),
        modules=modules,
        left_out=dict(found.left_out) | unplaced,
        trainable_parameters=found.trainable_parameters,
        convention=found.convention,
        fan_in_fan_out=bool(found.config.get("fan_in_fan_out")),
    )
