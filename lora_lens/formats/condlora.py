"""CondLoRA checkpoints, ours and the released code's: θ and W0 → every layer's A and B."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from ..bases.weights import BaseWeights
from ..errors import AdapterError
from ..files.names import split_layer
from ..files.tensors import TensorStore
from .grouping import Pair
from .lora import check_plain, reason_left_out, scaling_of

OURS = "CONDLORA"
RELEASED = "ConditionalLORA"
# The released code's files do not name their layers' paths; transformers' base_model_prefix does.
_PREFIXES = {
    "bert": "bert.",
    "roberta": "roberta.",
    "xlm-roberta": "roberta.",
    "distilbert": "distilbert.",
    "electra": "electra.",
    "gpt2": "transformer.",
    "llama": "model.",
    "mistral": "model.",
    "qwen2": "model.",
}
_THETA = re.compile(r"(?P<module>.+)\.theta_(?P<factor>[AB])")
_LINEAR = re.compile(r"(?P<module>.+)\.linear_for_lora_(?P<factor>[AB])")

# "noe" is the released code's own default.
_NO_USE_X = (None, False, "none", "noe")

Convention = Literal["stored", "consistent"]


class Shared(NamedTuple):
    """What all layers of one target module share: θ_A and θ_B, their tensors, and those layers' paths."""

    theta_a: Tensor
    theta_b: Tensor
    tensors: tuple[str, str]
    paths: list[str]


def convention_of(config: Mapping[str, Any], source: str) -> Convention:
    """How the adapter makes A from W0; the released code knows only ``stored``."""
    if config.get("peft_type") == RELEASED:
        return "stored"
    convention = config.get("convention")
    if convention not in ("stored", "consistent"):
        raise AdapterError(
            f"{source}: the convention is {convention!r}, expected 'stored' or 'consistent'"
        )
    return convention


def read_condlora(
    config: Mapping[str, Any], tensors: TensorStore, base: BaseWeights, source: str
) -> tuple[dict[str, Pair], dict[str, str], int]:
    """Factors by module path, the tensors left out with reasons, and the number of parameters in θ.

    Raises:
        AdapterError: θ is incomplete or does not fit W0, or the released code's ``use_x`` is on.
        BaseModelError: The base lacks a layer's W0.
    """
    check_plain(config, source)
    released = config.get("peft_type") == RELEASED
    if released:
        check_no_use_x(config, source)
    thetas, left_out = read_thetas(tensors, released)
    if not thetas:
        raise AdapterError(f"{source} holds no θ of CondLoRA")
    convention = convention_of(config, source)
    shared = [
        _shared(found, _paths_in_base(module, config, base))
        if released
        else _shared(found, _listed_paths(module, config, source))
        for module, found in thetas.items()
    ]
    pairs = {
        path: _factors(module, base.weight(path), config, convention, path)
        for module in shared
        for path in module.paths
    }
    count = sum(module.theta_a.numel() + module.theta_b.numel() for module in shared)
    return pairs, left_out, count


def check_no_use_x(config: Mapping[str, Any], source: str) -> None:
    """Refuse the released code's experiment in which A and B depend on the input.

    Raises:
        AdapterError: ``use_x`` is on.
    """
    if config.get("use_x") not in _NO_USE_X:
        raise AdapterError(
            f"{source} sets use_x={config['use_x']!r}: its factors depend on the input, an experiment "
            f"outside the paper; there is no A and B to analyse"
        )


def read_thetas(
    tensors: TensorStore, released: bool
) -> tuple[dict[str, dict[str, tuple[str, Tensor]]], dict[str, str]]:
    """Module → factor → (tensor's name, θ as (rows, r)); the released code stores θ transposed."""
    form = _LINEAR if released else _THETA
    thetas: dict[str, dict[str, tuple[str, Tensor]]] = {}
    left_out: dict[str, str] = {}
    for name, tensor in tensors.items():
        match = form.fullmatch(name)
        if match and tensor.ndim != 2:
            raise AdapterError(f"{name} has {tensor.ndim} axes, expected a matrix")
        if match:
            theta = tensor.T if released else tensor
            thetas.setdefault(match["module"], {})[match["factor"]] = (name, theta)
        elif name.endswith("linear_for_lora_x"):
            left_out[name] = "the released code's input-dependent experiment, switched off (use_x)"
        else:
            left_out[name] = reason_left_out(name)
    for module, found in thetas.items():
        if len(found) == 1:
            raise AdapterError(f"θ_{next(iter(found))} of {module} has no partner")
    return thetas, left_out


def _shared(found: Mapping[str, tuple[str, Tensor]], paths: list[str]) -> Shared:
    (name_a, theta_a), (name_b, theta_b) = found["A"], found["B"]
    return Shared(theta_a, theta_b, (name_a, name_b), paths)


def _listed_paths(module: str, config: Mapping[str, Any], source: str) -> list[str]:
    listed = config.get("condlora_modules")
    paths = listed.get(module) if isinstance(listed, Mapping) else None
    if not paths or not all(isinstance(path, str) for path in paths):
        raise AdapterError(f"{source}: condlora_modules does not list the layers of {module!r}")
    return list(paths)


def _paths_in_base(module: str, config: Mapping[str, Any], base: BaseWeights) -> list[str]:
    """The released code writes no layer numbers: every layer of the base with such a module."""
    wanted = config.get("layers_to_transform")
    layers = {wanted} if isinstance(wanted, int) else set(wanted or ())
    paths = []
    for name in base.tensors.files:
        path = name.removesuffix(".weight")
        split = split_layer(path) if name.endswith(f".{module}.weight") else None
        if split and (not layers or split[1] in layers):
            paths.append(_as_in_task_model(path, config, base))
    if not paths:
        raise AdapterError(f"no layer of {base.source} has a module {module!r}")
    return sorted(paths, key=lambda path: (split_layer(path) or ("", 0))[1])


def _as_in_task_model(path: str, config: Mapping[str, Any], base: BaseWeights) -> str:
    """The path with the prefix that a model with a head gives it, where the base's file has none."""
    prefix = _PREFIXES.get(str(base.model_type))
    headless = config.get("task_type") in (None, "FEATURE_EXTRACTION")
    return path if headless or not prefix or path.startswith(prefix) else prefix + path


def _factors(
    shared: Shared, w0: Tensor, config: Mapping[str, Any], convention: Convention, path: str
) -> Pair:
    """A_cond and B_cond of one layer (Eq. 5 and 6), in float64."""
    w0, theta_a, theta_b = (t.to(torch.float64) for t in (w0, shared.theta_a, shared.theta_b))
    a_side = w0.shape[0] if convention == "consistent" else w0.shape[1]
    if theta_a.shape[0] != a_side or theta_b.shape[0] != w0.shape[1]:
        raise AdapterError(
            f"θ of {path} has {theta_a.shape[0]} and {theta_b.shape[0]} rows, but W0 is "
            f"{w0.shape[0]}x{w0.shape[1]}: this is not its base model"
        )
    if convention == "stored" and w0.shape[0] != w0.shape[1]:
        raise AdapterError(f"W0 of {path} is {w0.shape[0]}x{w0.shape[1]}; 'stored' needs it square")
    a = theta_a.T @ w0 if convention == "consistent" else (w0 @ theta_a).T
    return Pair(a, w0 @ theta_b, scaling_of(config, path, a.shape[0]), shared.tensors)
