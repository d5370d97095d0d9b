"""CondLoRA on disk: θ once per target module, the trained heads, and the configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor, nn

from ...errors import AdapterError
from ...files.locate import user_path
from ...files.peft_names import CONFIG, WEIGHTS
from ...files.saving import save_tensors
from ...formats.condadalora import GATE
from ...formats.condlora import GENERATOR_KEY, SHA256_KEY, SHIFT_KEY, SOURCE_KEY, WITH_SOURCE
from ...sources import GENERATOR, SHIFT, StandIn
from ...staging import staged
from .config import CondLoraConfig
from .factor import ConditionalFactor
from .gate import gates
from .groups import target_groups
from .reading import SavedAdapter, read_saved

# How the names in PEFT's state end that are saved once, by names of our own.
_OURS = (".theta", ".gate")


def save_condlora(model: PeftModel, folder: str | Path, adapter_name: str = "default") -> None:
    """Write θ once per target module, every layer's Λ, the trained heads, and the configuration.

    Raises:
        AdapterError: The model has no CondLoRA adapter of that name.
        OutputError: The folder cannot be written; what was there stays.
    """
    tensors = tensors_as_saved(model, adapter_name)
    text = json.dumps(settings_as_saved(model, adapter_name), indent=2, sort_keys=True, default=str)
    with staged(user_path(folder), last=CONFIG) as whole:
        # Copies, for under bias="all" a head's bias has two names, and one memory cannot be saved twice.
        copies = {
            name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()
        }
        save_tensors(copies, whole / WEIGHTS, {"format": "pt"})
        (whole / CONFIG).write_text(text + "\n", encoding="utf-8")


def tensors_as_saved(model: PeftModel, adapter_name: str) -> dict[str, Tensor]:
    """Name on disk → θ, Λ and trained heads, the model's own tensors.

    Raises:
        AdapterError: The model has no CondLoRA adapter of that name.
    """
    return parameters(model, adapter_name) | heads(model, adapter_name)


def settings_as_saved(model: PeftModel, adapter_name: str) -> dict[str, Any]:
    """What ``adapter_config.json`` says of a CondLoRA adapter."""
    config = model.peft_config[adapter_name]
    settings = {
        key: sorted(value) if isinstance(value, set) else value
        for key, value in config.to_dict().items()
    }
    version_key, version = config.version
    groups = {name: list(layers) for name, layers in target_groups(model, adapter_name).items()}
    written = settings | {
        "peft_type": config.saved_as,
        version_key: version,
        "inference_mode": True,
        "condlora_modules": groups,
    }
    if config.source == "w0":
        del written[SOURCE_KEY]  # as in files from before there were others
        return written
    return written | {version_key: WITH_SOURCE} | _of_source(model, adapter_name, groups)


def _of_source(
    model: PeftModel, adapter_name: str, groups: Mapping[str, list[str]]
) -> dict[str, Any]:
    """How what stands for W0 is made."""
    found = substitutes_of(model, adapter_name)
    source = next(iter(found.values())).source
    if source == "shuffled":
        return {SHIFT_KEY: SHIFT}
    if source == "gaussian":
        sums = {name: [found[path].sha256 for path in paths] for name, paths in groups.items()}
        return {GENERATOR_KEY: GENERATOR, SHA256_KEY: sums}
    return {}


def substitutes_of(model: PeftModel, adapter_name: str) -> dict[str, StandIn]:
    """Path of each layer to what stands for its W0; empty where its own does."""
    return {
        path: factor.substitute.stand_in
        for layers in target_groups(model, adapter_name).values()
        for path, layer in layers.items()
        if (factor := layer.lora_A[adapter_name]).substitute is not None
    }


def load_theta(model: PeftModel, folder: str | Path, adapter_name: str = "default") -> None:
    """Read θ and the trained heads of a saved CondLoRA adapter into a model that is tied alike.

    α and the like stay the model's own.

    Raises:
        AdapterError: The folder holds no CondLoRA adapter, the model has none of that name or has it
            merged, or they do not fit: other layers, another convention, or tensors that are
            missing, unknown or of another shape, which the message names.
        FileFormatError: The folder's tensors are truncated, corrupt or unsafe.
    """
    load_saved(model, read_saved(user_path(folder)), adapter_name)


def load_saved(model: PeftModel, saved: SavedAdapter, adapter_name: str) -> None:
    """Copy θ and heads into the model, all of them or none."""
    ours, trained = parameters(model, adapter_name), heads(model, adapter_name)
    groups = target_groups(model, adapter_name)
    convention = saved.settings.get("convention")
    if convention != model.peft_config[adapter_name].convention:
        raise AdapterError(
            f"{saved.source} has the convention {convention!r}, the model's adapter "
            f"{model.peft_config[adapter_name].convention!r}; make it with the same"
        )
    _check_layers(saved, groups)
    _check_source(saved, substitutes_of(model, adapter_name))
    _check_tensors(saved, ours | trained)
    for layers in groups.values():
        for path, layer in layers.items():
            if layer.merged:
                raise AdapterError(
                    f"{path} has adapters merged into W0; call unmerge_adapter() before loading θ"
                )
    with torch.no_grad():
        for name, parameter in ours.items():
            parameter.copy_(saved.tensors[name])
    found = {name: saved.tensors[name] for name in trained}
    set_peft_model_state_dict(model, found, adapter_name=adapter_name)


def _check_layers(saved: SavedAdapter, groups: Mapping[str, Mapping[str, object]]) -> None:
    """θ fits any number of layers, so that other layers than it was trained on would go unseen."""
    if saved.modules is None:
        return
    theirs = {path for paths in saved.modules.values() for path in paths}
    ours = {path for layers in groups.values() for path in layers}
    if theirs != ours:
        odd = sorted(theirs ^ ours)
        where = "the adapter" if odd[0] in theirs else "the model"
        raise AdapterError(
            f"{saved.source} was trained on other layers: only {where} has {odd[0]} (and "
            f"{len(odd) - 1} more such); open it on the base model that it was trained on"
        )


def _check_source(saved: SavedAdapter, ours: Mapping[str, StandIn]) -> None:
    """θ fits W0 of any layer, and what stands for it, so that another would go unseen."""
    for path in sorted(saved.stand_ins.keys() | ours.keys()):
        was, now = saved.stand_ins.get(path), ours.get(path)
        if was == now:
            continue
        if was and now and was.source == now.source:
            raise AdapterError(
                f"{saved.source}: what stands for W0 of {path} is not what it was trained with; expected the same base "
                f"model, layers and NumPy's generator"
            )
        theirs, mine = (one.source if one else "w0" for one in (was, now))
        raise AdapterError(
            f"{saved.source} has the source {theirs!r}, the model's adapter {mine!r}; make it with the same"
        )


def _check_tensors(saved: SavedAdapter, expected: Mapping[str, Tensor]) -> None:
    found = saved.tensors
    missing = sorted(expected.keys() - found.keys())
    unexpected = sorted(found.keys() - expected.keys())
    misshaped = [
        f"{name} {tuple(found[name].shape)}, the model has {tuple(expected[name].shape)}"
        for name in sorted(expected.keys() & found.keys())
        if found[name].shape != expected[name].shape
    ]
    faults = {"lacks": missing, "has besides": unexpected, "has in another shape": misshaped}
    said = [f"{fault} {'; '.join(names)}" for fault, names in faults.items() if names]
    if said:
        hint = (
            "turn it into plain LoRA by `lora-lens export`, or open it"
            if saved.modules is None
            else "open it"
        )
        raise AdapterError(
            f"{saved.source} does not fit the model: it {', and it '.join(said)}; {hint} on the "
            f"base model and with the settings that it was trained with"
        )


def thetas(model: PeftModel, adapter_name: str) -> dict[str, nn.Parameter]:
    """Name on disk → θ.

    Raises:
        AdapterError: The model has no CondLoRA adapter of that name.
    """
    if not isinstance(model.peft_config.get(adapter_name), CondLoraConfig):
        have = ", ".join(map(repr, model.peft_config))
        raise AdapterError(f"the model has no CondLoRA adapter {adapter_name!r}; it has {have}")
    found = {}
    for name, layers in target_groups(model, adapter_name).items():
        first = next(iter(layers.values()))
        for factor in ("A", "B"):
            held = getattr(first, f"lora_{factor}")[adapter_name]
            if not isinstance(held, ConditionalFactor):
                raise AdapterError(
                    f"adapter {adapter_name!r} was made by PEFT as plain LoRA (a weighted sum?) and has no θ"
                )
            found[f"{name}.theta_{factor}"] = held.theta
    return found


def parameters(model: PeftModel, adapter_name: str) -> dict[str, nn.Parameter]:
    """Name on disk → θ, and each layer's Λ where there is one."""
    return thetas(model, adapter_name) | {
        path + GATE: gate for path, gate in gates(model, adapter_name).items()
    }


def heads(model: PeftModel, adapter_name: str) -> dict[str, Tensor]:
    """Name on disk → what is trained in full beside θ: ``modules_to_save``, biases."""
    state = get_peft_model_state_dict(model, adapter_name=adapter_name, save_embedding_layers=False)
    return {name: tensor for name, tensor in state.items() if not name.endswith(_OURS)}
