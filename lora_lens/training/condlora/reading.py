"""What a folder with a CondLoRA adapter says: settings, and tensors under the names that we save."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from torch import Tensor

from ...errors import AdapterError
from ...files.names import PEFT_PREFIX
from ...files.tensors import TensorStore
from ...formats.checkpoint import open_folder
from ...formats.condlora import (
    OURS,
    RELEASED,
    check_no_use_x,
    read_thetas,
)
from .config import CondLoraConfig

# Set anew by PEFT, or ours but no setting.
_NOT_SETTINGS = ("peft_type", "auto_mapping", "inference_mode", "peft_version", "condlora_modules")
_EXPORT_FIRST = "turn it into plain LoRA by `lora-lens export` and open that with PEFT"


@dataclass(frozen=True)
class SavedAdapter:
    """A CondLoRA adapter as its folder has it.

    Attributes:
        source: The folder, for messages.
        settings: CondLoraConfig's arguments.
        tensors: θ and heads by the names that `save_condlora` gives them; of a released checkpoint
            the modules bear the bare names that its file has.
        modules: Target module to the paths of its layers; None in a released checkpoint, which does
            not say.
    """

    source: str
    settings: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    modules: Mapping[str, list[str]] | None

    def config(self, *, is_trainable: bool) -> CondLoraConfig:
        """The settings to wrap a model with.

        Raises:
            AdapterError: Settings that CondLoRA or this PEFT cannot have.
        """
        try:
            return CondLoraConfig(**self.settings, inference_mode=not is_trainable)
        except AdapterError as error:
            raise AdapterError(f"{self.source}: {error}") from None
        except (TypeError, ValueError, AttributeError) as error:
            reason = str(error).splitlines()[0]
            raise AdapterError(f"{self.source} has a setting that PEFT refuses: {reason}") from None


def read_saved(folder: Path) -> SavedAdapter:
    """Read an adapter that `save_condlora` or the authors' released code wrote.

    Raises:
        AdapterError: No adapter there, one that is not CondLoRA, or one with settings that this
            version of PEFT does not know.
        FileFormatError: Its tensors are truncated, corrupt or unsafe.
    """
    config, store = open_folder(folder)
    peft_type = config.get("peft_type")
    if peft_type == "LORA":
        raise AdapterError(f"{folder} is plain LoRA; open it by peft.PeftModel.from_pretrained")
    if peft_type == OURS:
        modules = config.get("condlora_modules")
        if not isinstance(modules, Mapping) or not all(
            isinstance(paths, list) for paths in modules.values()
        ):
            raise AdapterError(f"{folder}: condlora_modules does not list the layers; save it anew")
        return SavedAdapter(str(folder), _settings(config, folder), dict(store.items()), modules)
    if peft_type == RELEASED:
        check_no_use_x(config, str(folder))
        settings = _settings(config, folder) | {"convention": "stored"}
        return SavedAdapter(str(folder), settings, _released(store), None)
    raise AdapterError(f"{folder} has peft_type {peft_type!r}, expected {OURS} or {RELEASED}")


def _settings(config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    known = {field.name for field in fields(CondLoraConfig) if field.init}
    foreign = set(config) - known - {*_NOT_SETTINGS, "use_x", "lora_x_scaling"}
    telling = sorted(key for key in foreign if config[key])
    if telling:
        raise AdapterError(
            f"{folder} sets {', '.join(telling)}, which this version of PEFT does not know; update "
            f"PEFT, or {_EXPORT_FIRST}"
        )
    return {key: config[key] for key in known & set(config) if key not in _NOT_SETTINGS}


def _released(store: TensorStore) -> dict[str, Tensor]:
    thetas, left_out = read_thetas(store, True)
    tensors = {name: store.get(name) for name in left_out if name.startswith(PEFT_PREFIX)}
    for module, factors in thetas.items():
        for factor, (_, theta) in factors.items():
            tensors[f"{module}.theta_{factor}"] = theta
    return tensors
