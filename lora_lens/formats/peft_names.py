"""Names of tensors as PEFT writes them, without what wrappers put into them; why some are left out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ..errors import AdapterError
from ..files.names import PEFT_PREFIX, is_number
from .adapter_files import AdapterFiles

# FSDP, torch.compile, activation checkpointing and DistributedDataParallel wrap modules, and say so.
_WRAPPERS = frozenset({"_fsdp_wrapped_module", "_orig_mod", "_checkpoint_wrapped_module"})
_PARALLEL = "module."
IN_FULL = "trained in full (modules_to_save), no low-rank factor"


def plain(name: str) -> str:
    """A tensor's name without wrappers and without PEFT's own prefix.

    Example:
        >>> plain("module.base_model.model.h.0._orig_mod.attn.lora_A.weight")
        'h.0.attn.lora_A.weight'
    """
    kept = ".".join(part for part in name.split(".") if part not in _WRAPPERS)
    if kept.startswith(_PARALLEL + PEFT_PREFIX):
        kept = kept.removeprefix(_PARALLEL)
    return kept.removeprefix(PEFT_PREFIX)


def factors_by_path(
    files: AdapterFiles, pattern: re.Pattern[str]
) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Module path → factor → name of its tensor, and the names that are no factor.

    Args:
        files: Of the adapter.
        pattern: Of a plain name: groups ``path``, ``factor``, and ``adapter`` where several could
            share a file; ``table`` and ``adapter_of_table`` in their place, of an embedding.

    Raises:
        AdapterError: Two tensors bear one plain name, several adapters share the file, or a factor
            is empty.
    """
    found: dict[str, dict[str, str]] = {}
    others: list[str] = []
    adapters: set[str | None] = set()
    for name in sorted(files.names):
        match = pattern.fullmatch(plain(name))
        if match is None:
            others.append(name)
            continue
        named = match.groupdict()
        letter = named["factor"] or named.get("table") or ""
        adapters.add(named.get("adapter") or named.get("adapter_of_table"))
        factors = found.setdefault(match["path"], {})
        if len(adapters) > 1:
            raise AdapterError(
                f"{files.source} holds several adapters: {', '.join(sorted(map(str, adapters)))}"
            )
        if letter in factors:
            raise AdapterError(f"{factors[letter]} and {name} are the same factor")
        factors[letter] = name
    return found, others


def unwrapped_paths(paths: Iterable[str]) -> dict[str, str]:
    """Each path to that of the module itself, where a layer of PEFT's is within another.

    `torch.nn.MultiheadAttention` is wrapped whole, for its ``in_proj_weight``, and so is the ``out_proj`` in it.

    Raises:
        AdapterError: Two become one.

    Example:
        >>> unwrapped_paths(["attn", "attn.base_layer.out_proj"])
        {'attn': 'attn', 'attn.base_layer.out_proj': 'attn.out_proj'}
    """
    found: dict[str, str] = {}
    for path in paths:
        module = path.replace(".base_layer", "")
        if module in found.values():
            raise AdapterError(f"{module} has two pairs of factors, one within the other: {path}")
        found[path] = module
    return found


def check_not_empty(files: AdapterFiles, names: Iterable[str]) -> None:
    """Refuse tensors without numbers.

    Raises:
        AdapterError: There is one; the message says where such files come from.
    """
    for name in names:
        shape = files.shape(name)
        if 0 in shape and len(shape) > 1:
            raise AdapterError(
                f"{name} has shape {'x'.join(map(str, shape))} and no numbers: a layer without outputs or inputs, or of "
                f"rank 0, has no ΔW; expected factors of a layer that has"
            )
        if 0 in shape:
            raise AdapterError(
                f"{name} is empty, as DeepSpeed's ZeRO-3 leaves weights that it has not gathered; save "
                f"again with stage3_gather_16bit_weights_on_model_save, or run zero_to_fp32.py on the "
                f"checkpoint"
            )


def check_partners(source: str, factors: Mapping[str, Mapping[str, str]], wanted: str) -> None:
    """Refuse a module that lacks one of the factors `wanted`, a letter each.

    Raises:
        AdapterError: One does.
    """
    for path, found in factors.items():
        lacking = [letter for letter in wanted if letter not in found]
        if lacking:
            raise AdapterError(
                f"{source}: {path} has lora_{next(iter(found))} but not its partner lora_{lacking[0]}"
            )


def reason_left_out(name: str) -> str:
    """Why a tensor of an adapter file that is no factor of a linear layer is not analysed."""
    if "lora_embedding_" in name:
        return "factor of an embedding, which AdaLoRA and CondLoRA have none of"
    if "lora_magnitude_vector" in name:
        raise AdapterError(f"{name} is DoRA's, though the configuration does not say use_dora")
    if re.search(r"\.lora_[AB]\b.*\.bias$", name):
        return "bias of a factor (lora_bias), no part of B·A"
    if name.endswith(".alpha"):
        return "α of a module that has no factors here"
    if name.endswith(".base_layer.bias"):
        return "bias trained beside the factors, no part of B·A"
    if ".base_layer." in name:
        return "the frozen base layer itself"
    if "lora_velora_embed" in name:
        return "what VeLoRA's training projects inputs on, no part of ΔW"
    if "token_adapter" in name or "trainable_tokens" in name:
        return "trained tokens, no low-rank factor"
    if name.endswith(".bias") and "modules_to_save" not in name and _in_layer(name):
        return "bias trained beside the factors, no part of B·A"
    return IN_FULL


def _in_layer(name: str) -> bool:
    return any(is_number(part) for part in name.split("."))
