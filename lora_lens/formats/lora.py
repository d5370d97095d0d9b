"""PEFT's LoRA checkpoints: ``….lora_A.weight`` and ``….lora_B.weight`` beside ``adapter_config.json``."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from ..errors import AdapterError
from ..files.names import PEFT_PREFIX
from ..files.tensors import TensorStore
from .grouping import Pair

_FACTOR = re.compile(r"(?P<path>.+)\.lora_(?P<factor>[AB])(?:\.(?P<adapter>[^.]+))?\.weight")

# Settings under which the adapter's update is not s·B·A over the base model's own W0.
_NOT_PLAIN: Mapping[str, str] = {
    "use_dora": "DoRA rescales every row of W0 + s·B·A",
    "use_qalora": "QA-LoRA pools the input before A",
    "use_bdlora": "BD-LoRA's factors are block-diagonal",
    "kasa_config": "KaSA changes W0 and adds singular values between B and A",
    "monteclora_config": "MonteCLoRA samples its factors",
    "target_parameters": "its factors target stacked expert parameters, not linear layers",
    "layer_replication": "its layers are replicas that the base model does not name",
    "use_mora": "MoRA's update is no product of two factors",
}
_CHANGED_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")


def check_plain(config: Mapping[str, Any], source: str) -> None:
    """Refuse settings under which reading s·B·A would give wrong numbers.

    Raises:
        AdapterError: DoRA, PiSSA and the like; the message says what the update is instead.
    """
    for key, why in _NOT_PLAIN.items():
        if config.get(key):
            raise AdapterError(f"{source} sets {key}: {why}; lora-lens would misread it")
    init = config.get("init_lora_weights")
    if isinstance(init, str) and init.lower().startswith(_CHANGED_BASE):  # PEFT ignores case too
        raise AdapterError(
            f"{source} was initialised by {init!r}, so its update is B·A minus the initial B₀·A₀; "
            f"convert it first: model.save_pretrained(…, path_initial_model_for_weight_conversion=…)"
        )


def read_lora(
    config: Mapping[str, Any], tensors: TensorStore, source: str
) -> tuple[dict[str, Pair], dict[str, str], int]:
    """Factors by module path, the tensors left out with reasons, and the number of parameters.

    Raises:
        AdapterError: A factor has no partner, several adapters share the file, or a rank is not the
            configuration's.
    """
    check_plain(config, source)
    factors: dict[str, dict[str, tuple[str, Tensor]]] = {}
    left_out: dict[str, str] = {}
    adapters: set[str | None] = set()
    for name, tensor in tensors.items():
        match = _FACTOR.fullmatch(name.removeprefix(PEFT_PREFIX))
        if match is None:
            left_out[name] = reason_left_out(name)
        elif tensor.ndim != 2:
            left_out[name] = f"factor of a convolution ({tensor.ndim} axes), not of a linear layer"
        else:
            adapters.add(match["adapter"])
            factors.setdefault(match["path"], {})[match["factor"]] = (name, tensor)
    if len(adapters) > 1:
        raise AdapterError(f"{source} holds several adapters: {', '.join(map(str, adapters))}")
    if not factors:
        raise AdapterError(
            f"{source} holds no lora_A and lora_B of a linear layer{_some(left_out)}"
        )
    for path, found in factors.items():
        if len(found) == 1:
            raise AdapterError(f"{path} has lora_{next(iter(found))} but not its partner")
    pairs = {}
    for path, found in factors.items():
        (name_a, a), (name_b, b) = found["A"], found["B"]
        pairs[path] = Pair(a, b, scaling_of(config, path, a.shape[0]), (name_a, name_b))
    return pairs, left_out, sum(pair.a.numel() + pair.b.numel() for pair in pairs.values())


def _some(names: Iterable[str]) -> str:
    listed = list(names)[:2]
    return f"; it holds {', '.join(listed)}" if listed else ""


def scaling_of(config: Mapping[str, Any], path: str, rank: int) -> float:
    """s of one module, by PEFT's rules for patterns.

    Raises:
        AdapterError: The tensor's rank is not what the configuration says it is.
    """
    expected = _by_pattern(config.get("rank_pattern"), path, config.get("r", 8))
    alpha = _by_pattern(config.get("alpha_pattern"), path, config.get("lora_alpha", 8))
    if rank != expected or rank == 0:
        raise AdapterError(f"{path} has rank {rank}, but adapter_config.json says {expected}")
    if not isinstance(alpha, (int, float)) or isinstance(alpha, bool) or not math.isfinite(alpha):
        raise AdapterError(f"lora_alpha of {path} is {alpha!r}, expected a finite number")
    return alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank


def _by_pattern(patterns: Any, path: str, default: Any) -> Any:
    if not isinstance(patterns, (Mapping, type(None))):
        raise AdapterError(f"a rank or alpha pattern is {patterns!r}, expected names to numbers")
    for pattern, value in (patterns or {}).items():
        try:
            found = re.match(rf"(.*\.)?({pattern})$", path)
        except re.error as error:
            raise AdapterError(
                f"the pattern {pattern!r} is no regular expression: {error}"
            ) from None
        if found:
            return value
    return default


def reason_left_out(name: str) -> str:
    """Why a tensor of an adapter file that is no A or B of a linear layer is not analysed."""
    if "lora_embedding_" in name:
        return "factor of an embedding, whose W0 is a table of tokens"
    if "lora_magnitude_vector" in name:
        raise AdapterError(f"{name} is DoRA's, though the configuration does not say use_dora")
    if re.search(r"\.lora_[AB]\b.*\.bias$", name):
        return "bias of a factor (lora_bias), no part of B·A"
    if name.endswith(".base_layer.bias"):
        return "bias trained beside the factors, no part of B·A"
    if ".base_layer." in name:
        return "the frozen base layer itself"
    if "token_adapter" in name or "trainable_tokens" in name:
        return "trained tokens, no low-rank factor"
    if name.endswith(".bias") and "modules_to_save" not in name and _in_layer(name):
        return "bias trained beside the factors, no part of B·A"
    return "trained in full (modules_to_save), no low-rank factor"


def _in_layer(name: str) -> bool:
    return any(part.isdecimal() for part in name.split("."))
