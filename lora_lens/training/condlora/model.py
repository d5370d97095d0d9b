"""Wrapping a transformers model so that only θ, shared by its layers, trains."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, cast

from peft import LoraConfig, PeftModel, PeftType
from peft.mapping_func import MODEL_TYPE_TO_PEFT_MODEL_MAPPING
from peft.tuners.lora import LoraLayer
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

from ...errors import AdapterError
from ...files.locate import user_path
from ...formats.format import format_of
from ...formats.opening import open_adapter
from ...printable import first_line
from .config import CondLoraConfig
from .gate import with_orthogonality
from .reading import read_saved
from .saving import load_saved, save_condlora, settings_as_saved, tensors_as_saved
from .tying import tie_factors


class CondLoraMixin:
    """What a PEFT model of CondLoRA does differently: it ties, and it saves θ once."""

    def add_adapter(self, adapter_name: str, peft_config: LoraConfig, **kwargs: Any) -> None:
        conditional = isinstance(peft_config, CondLoraConfig)
        config = _as_pefts(peft_config) if conditional else peft_config
        super().add_adapter(adapter_name, config, **kwargs)  # type: ignore[misc]
        if conditional:
            model = cast(PeftModel, self)
            try:
                tie_factors(model, adapter_name)
            except Exception:
                model.delete_adapter(adapter_name)
                raise

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """As PEFT's; in training, AdaLoRA's form adds its penalty to the loss."""
        return with_orthogonality(cast(PeftModel, self), super().forward(*args, **kwargs))  # type: ignore[misc]

    def save_pretrained(
        self,
        save_directory: str,
        safe_serialization: bool = True,
        selected_adapters: list[str] | None = None,
        is_main_process: bool = True,
        **kwargs: Any,
    ) -> None:
        """Write each adapter: ``default`` into the folder, others below it by name, as PEFT does."""
        model = cast(PeftModel, self)
        names = list(model.peft_config) if selected_adapters is None else selected_adapters
        plain = [name for name in names if _is_plain(model, name)]
        if plain:
            super().save_pretrained(  # type: ignore[misc]
                save_directory,
                safe_serialization=safe_serialization,
                selected_adapters=plain,
                is_main_process=is_main_process,
                **kwargs,
            )
        for name in names:
            if name not in plain and is_main_process:
                folder = Path(save_directory)
                save_condlora(model, folder if name == "default" else folder / name, name)

    def as_saved(self, adapter_name: str) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        """Configuration and tensors of a CondLoRA adapter as `save_condlora` writes them, the tensors the model's own.

        None of a plain LoRA adapter, which PEFT saves.
        """
        model = cast(PeftModel, self)
        if _is_plain(model, adapter_name):
            return None
        return settings_as_saved(model, adapter_name), tensors_as_saved(model, adapter_name)

    def load_adapter(
        self, model_id: str, adapter_name: str, is_trainable: bool = False, **kwargs: Any
    ) -> None:
        """Read a saved adapter into the one of that name, which is added where it is not.

        A folder of plain LoRA is PEFT's to read, and the further arguments are for that.
        """
        model = cast(PeftModel, self)
        added = adapter_name not in model.peft_config
        if _is_plain(model, adapter_name) or (added and _holds_plain(model_id)):
            return super().load_adapter(model_id, adapter_name, is_trainable, **kwargs)  # type: ignore[misc]
        saved = read_saved(user_path(model_id))
        if added:
            self.add_adapter(adapter_name, saved.config(is_trainable=is_trainable))
        try:
            load_saved(model, saved, adapter_name)
        except Exception:
            if added:
                model.delete_adapter(adapter_name)
            raise
        if added and is_trainable:
            model.set_requires_grad(adapter_name)
        return None


def _is_plain(model: PeftModel, adapter_name: str) -> bool:
    config = model.peft_config.get(adapter_name)
    return config is not None and not isinstance(config, CondLoraConfig)


def _holds_plain(folder: str | Path) -> bool:
    return format_of(open_adapter(folder)).thetas is None


def _as_pefts(config: CondLoraConfig) -> CondLoraConfig:
    """A copy that PEFT makes LoRA layers of; it also writes into what it is given."""
    config = copy.deepcopy(config)
    config.peft_type = PeftType.LORA
    return config


_KINDS = {
    plain: type("CondLora" + plain.__name__, (CondLoraMixin, plain), {"__module__": __name__})
    for plain in (PeftModel, *MODEL_TYPE_TO_PEFT_MODEL_MAPPING.values())
}
globals().update({kind.__name__: kind for kind in _KINDS.values()})  # where pickle looks for them


def get_condlora_model(
    model: nn.Module, config: CondLoraConfig, adapter_name: str = "default"
) -> PeftModel:
    """Wrap a transformers model so that only θ (with Λ, in AdaLoRA's form, and ``modules_to_save``) trains.

    Args:
        model: The base model; its targeted linear layers are replaced in place, as PEFT does. Where
            that fails they are put back.
        config: Rank, α, target modules, convention; of AdaLoRA's form a CondAdaLoraConfig.
        adapter_name: PEFT's name for the adapter.

    Returns:
        A PEFT model whose ``save_pretrained`` writes θ once, in the form that `load_condlora_model`
        and its own ``load_adapter`` read.

    Raises:
        AdapterError: No such target module, or one that is no linear layer in floating point; W0
            differs in shape between the layers of one target module, or is rectangular under
            ``stored``; or the model carries adapters already.
    """
    if not isinstance(config, CondLoraConfig):
        raise AdapterError(f"config is a {type(config).__name__}, expected a CondLoraConfig")
    for path, module in model.named_modules():
        if isinstance(module, BaseTunerLayer):
            raise AdapterError(
                f"{path} carries adapters already; take them off by the PEFT model's unload(), or put "
                f"this one beside CondLoRA's by add_adapter()"
            )
    config = _as_pefts(config)
    if config.base_model_name_or_path is None:
        config.base_model_name_or_path = getattr(model, "name_or_path", None) or None
    kind = _KINDS[MODEL_TYPE_TO_PEFT_MODEL_MAPPING.get(config.task_type, PeftModel)]
    try:
        wrapped = cast(PeftModel, kind(model, config, adapter_name=adapter_name))
    except ValueError as error:  # PEFT's: no such module, or one of a kind that it cannot adapt
        _put_back(model)
        targets = config.target_modules
        listed = ", ".join(sorted(targets)) if isinstance(targets, set) else targets
        raise AdapterError(
            f"PEFT cannot adapt target_modules {listed}: {first_line(error)}"
        ) from None
    try:
        tie_factors(wrapped, adapter_name)
    except Exception:
        wrapped.base_model.unload()
        raise
    return wrapped


def _put_back(model: nn.Module) -> None:
    """Take out the LoRA layers that PEFT had put in before it gave up."""
    for path, layer in list(model.named_modules()):
        if isinstance(layer, LoraLayer):
            parent, _, name = path.rpartition(".")
            setattr(model.get_submodule(parent), name, layer.get_base_layer())
