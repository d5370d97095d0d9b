"""Tensors of PEFT's files that are no factors of linear layers: why they are left out; and paths of layers in layers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import AdapterError
from ...files.names import is_number
from ...files.peft_names import plain
from ..left_out import LeftOut

FULL = "trained in full (modules_to_save)"
IN_FULL = LeftOut(f"{FULL}, no low-rank factor", "in full")
_BASE_TOO = f"{FULL} beside its factors; what that changed is no part of B·A"
COPY, ORIGINAL = "modules_to_save", "original_module"
COPIES = {
    COPY: "of a copy that stands beside the layer's own, as earlier versions of PEFT save what is within a module that was trained in full",
    ORIGINAL: "of the untouched original of a module that was trained in full",
}
UNKNOWN = LeftOut(
    "not known what it is: no factor, and nothing that the configuration says was trained in full (modules_to_save)",
    "unknown",
)
# PEFT trains a model's head for these tasks, and before 0.12 did not write that down.
_HEADS: Mapping[str, tuple[str, ...]] = {
    "SEQ_CLS": ("classifier", "score"),
    "TOKEN_CLS": ("classifier", "score"),
    "QUESTION_ANS": ("qa_outputs",),
}
_KEPT = re.compile(r"\.modules_to_save(\.[^.]+)?$")
_BY_PART = {
    ".base_layer.": "the frozen base layer itself",
    ".original_module.": "the frozen original of a module that was trained in full",
    "lora_velora_embed": "what VeLoRA's training projects inputs on, no part of ΔW",
    "token_adapter": "trained tokens, no low-rank factor",
    "trainable_tokens": "trained tokens, no low-rank factor",
}


def module_of(name: str) -> str:
    """Path of the module that a tensor is of, without PEFT's wrapper around one that is trained in full.

    Example:
        >>> module_of("base_model.model.score.modules_to_save.default.weight")
        'score'
    """
    return _KEPT.sub("", plain(name).rpartition(".")[0])


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
            last = module.rpartition(".")[2]
            raise AdapterError(
                f"{module} has two pairs of factors, one within the other; expected one: where they are of two stacks of "
                f'experts, adapter_config.json has to name them, as {{"target_parameters": ["{last}.gate_up_proj", '
                f'"{last}.down_proj"]}}'
            )
        found[path] = module
    return found


def reason_left_out(name: str, config: Mapping[str, Any]) -> LeftOut:
    """Why a tensor of an adapter file that is no factor of a linear layer is not analysed.

    Args:
        name: Of the tensor.
        config: The whole ``adapter_config.json``, which says what was trained in full.

    Example:
        >>> reason_left_out("base_model.model.score.weight", {"modules_to_save": ["score"]})
        LeftOut(why='trained in full (modules_to_save), no low-rank factor', kind='in full')
        >>> reason_left_out("base_model.model.score.weight", {"modules_to_save": None}).kind
        'unknown'
    """
    if of_another := _of_another(name, config):
        return LeftOut(of_another)
    return IN_FULL if said_in_full(name, config) else UNKNOWN


def _of_another(name: str, config: Mapping[str, Any]) -> str | None:
    """Why a tensor is left out that is by its name no module's own; None of all else."""
    if of_copy := _of_copy(name):
        return of_copy
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
    if by_part := next((why for part, why in _BY_PART.items() if part in name), None):
        too = name.endswith(".base_layer.weight") and said_in_full(name, config)
        return _BASE_TOO if too else by_part
    every = config.get("bias") == "all" and not said_in_full(name, config)
    if name.endswith(".bias") and "modules_to_save" not in name and (_in_layer(name) or every):
        return "bias trained beside the factors, no part of B·A"
    return None


def _of_copy(name: str) -> str | None:
    """Why what LoRA added within PEFT's copies of a module is left out; None of all else."""
    if "lora_" not in name:
        return None
    return next((why for part, why in COPIES.items() if part in name.split(".")), None)


def said_in_full(name: str, config: Mapping[str, Any]) -> bool:
    """Whether its own name, the configuration, or the task says so; PEFT goes by the ends of modules' paths."""
    said = config.get("modules_to_save")
    modules = said if isinstance(said, (list, tuple, set)) else ()
    heads = _HEADS.get(str(config.get("task_type")), ())
    path = plain(name)
    return ".modules_to_save" in name or any(f"{one}." in path for one in (*modules, *heads))


def _in_layer(name: str) -> bool:
    return any(is_number(part) for part in name.split("."))
