"""What a folder with a CondLoRA adapter says: settings, and tensors under the names that we save."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from inspect import formatannotation
from pathlib import Path
from typing import Any, get_type_hints

from torch import Tensor

from ...errors import AdapterError
from ...files.annotated import fits
from ...formats.adapter_files import AdapterFiles
from ...formats.condlora import GENERATOR_KEY, SHA256_KEY, SHIFT_KEY
from ...formats.factors.shared_theta import OWN_KEYS
from ...formats.format import format_of
from ...formats.opening import open_adapter
from ...printable import first_line
from ...sources import StandIn
from .adaptive_config import CondAdaLoraConfig
from .config import CondLoraConfig

# Set anew by PEFT, or ours but no setting.
_NOT_SETTINGS = (
    "peft_type", "auto_mapping", "inference_mode", "peft_version", "condlora_modules", "condlora_version",
    SHIFT_KEY, GENERATOR_KEY, SHA256_KEY,
)  # fmt: skip
_KINDS = {kind.saved_as: kind for kind in (CondLoraConfig, CondAdaLoraConfig)}
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
        kind: Of its configuration.
        stand_ins: Path of each layer to what stands for its W0; empty where its own does.
    """

    source: str
    settings: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    modules: Mapping[str, list[str]] | None
    kind: type[CondLoraConfig] = CondLoraConfig
    stand_ins: Mapping[str, StandIn] = field(default_factory=dict)

    def config(self, *, is_trainable: bool) -> CondLoraConfig:
        """The settings to wrap a model with.

        Raises:
            AdapterError: Settings that CondLoRA or this PEFT cannot have.
        """
        try:
            return self.kind(**self.settings, inference_mode=not is_trainable)
        except AdapterError as error:
            raise AdapterError(f"{self.source}: {error}") from None
        except (TypeError, ValueError, AttributeError) as error:
            raise AdapterError(
                f"{self.source} has a setting that PEFT refuses: {first_line(error)}"
            ) from None


def read_saved(folder: Path) -> SavedAdapter:
    """Read an adapter that `save_condlora` or the authors' released code wrote.

    Raises:
        AdapterError: No adapter there, one that is not CondLoRA, or one with settings that this
            version of PEFT does not know.
        FileFormatError: Its tensors are truncated, corrupt or unsafe.
    """
    files = open_adapter(folder)
    found = format_of(files)
    if found.thetas is None:
        raise AdapterError(
            f"{folder} is {found.title}, and no CondLoRA; open it by peft.PeftModel.from_pretrained"
        )
    shared = found.thetas(files)
    tensors = {name: files.tensors.get(name) for name in shared.others}
    for module, (theta_a, theta_b) in shared.modules.items():
        tensors[f"{module}.theta_A"] = theta_a.read()
        tensors[f"{module}.theta_B"] = theta_b.read()
    kind = _KINDS.get(str(files.config.get("peft_type")), CondLoraConfig)
    settings = _settings(files, folder, kind) | {"convention": shared.convention}
    return SavedAdapter(files.source, settings, tensors, shared.layers, kind, shared.stand_ins)


def _settings(files: AdapterFiles, folder: Path, kind: type[CondLoraConfig]) -> dict[str, Any]:
    config = files.config
    known = {one.name for one in fields(kind) if one.init}
    foreign = set(config) - known - {*_NOT_SETTINGS, kind.version[0], *OWN_KEYS}
    telling = sorted(key for key in foreign if config[key])
    if telling:
        raise AdapterError(
            f"{folder} sets {', '.join(telling)}, which this version of PEFT does not know; update "
            f"PEFT, or {_EXPORT_FIRST}"
        )
    settings = {key: config[key] for key in known & set(config) if key not in _NOT_SETTINGS}
    kinds = get_type_hints(kind)
    for key, value in settings.items():
        if not fits(value, kinds[key], strict=False):
            raise AdapterError(
                f"{folder}: {key} is {value!r}, expected {formatannotation(kinds[key])}"
            )
    return {key: value for key, value in settings.items() if value is not None}
