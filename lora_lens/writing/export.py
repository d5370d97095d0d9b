"""CondLoRA → plain LoRA, exactly: every layer's A_cond and B_cond, as PEFT writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from ..errors import AdapterError
from ..files.locate import user_path
from ..files.names import PEFT_PREFIX
from ..formats.checkpoint import Checkpoint, read_checkpoint
from ..formats.grouping import group_by_module
from ..staging import staged

# Keys of CondLoRA configurations, ours and the released code's, that LoRA does not know.
_CONDLORA_KEYS = ("condlora_modules", "convention", "use_x", "lora_x_scaling")


def export_lora(path: str | Path, out: str | Path, base: str | Path | None = None) -> Path:
    """Write a CondLoRA adapter as an ordinary LoRA checkpoint that stock PEFT loads.

    A and B are computed in float64 and stored in float32; heads trained in full come along as they
    are. vLLM and other tools that read PEFT's format read it too.

    Args:
        path: The CondLoRA adapter's folder.
        out: Folder to write to; it must not hold an adapter yet.
        base: As in `load_adapter`.

    Returns:
        `out`.

    Raises:
        AdapterError: The adapter is plain LoRA already, or `out` holds an adapter.
        OutputError: `out` cannot be written.
    """
    target = user_path(out)
    if (target / "adapter_config.json").exists():
        raise AdapterError(f"{target} already holds an adapter; choose another folder")
    found = read_checkpoint(user_path(path), str(base) if base else None)
    if found.method == "lora":
        raise AdapterError(f"{found.source} is plain LoRA already; PEFT loads it as it is")
    group_by_module(found.pairs)  # raises where factors do not fit or are not finite
    with staged(target, last="adapter_config.json") as folder:
        save_file(_tensors(found), folder / "adapter_model.safetensors", metadata={"format": "pt"})
        text = json.dumps(_config(found), indent=2, sort_keys=True)
        (folder / "adapter_config.json").write_text(text + "\n", encoding="utf-8")
    return target


def _tensors(found: Checkpoint) -> dict[str, Tensor]:
    tensors = {name: found.tensors.get(name) for name in found.left_out if _is_head(name)}
    for path, pair in found.pairs.items():
        for factor, tensor in (("A", pair.a), ("B", pair.b)):
            name = f"{PEFT_PREFIX}{path}.lora_{factor}.weight"
            tensors[name] = tensor.to(torch.float32).contiguous()
    return tensors


def _is_head(name: str) -> bool:
    return name.startswith(PEFT_PREFIX)


def _config(found: Checkpoint) -> dict[str, Any]:
    config = {key: value for key, value in found.config.items() if key not in _CONDLORA_KEYS}
    return config | {"peft_type": "LORA", "target_modules": sorted(found.pairs)}
