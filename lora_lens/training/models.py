"""Base models with a new head, and adapters put on them."""

from __future__ import annotations

from typing import Any, cast

from peft import LoraConfig, PeftModel, get_peft_model
from torch.nn import Linear
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.pytorch_utils import Conv1D

from ..errors import AdapterError, BaseModelError
from ..loaders.locate import is_hub_id, local_folder
from .condlora import CondLoraConfig, get_condlora_model
from .settings import RunSettings


def open_classifier(base: str, labels: int) -> tuple[Any, Any]:
    """Tokenizer and model with a head of `labels` outputs (1: a regression).

    From a folder, the extra ``demo``, the hub's cache, or the hub.

    Raises:
        BaseModelError: There is no such model, or it has no such head.
    """
    folder = local_folder(base)
    if folder is None and not is_hub_id(base):
        raise BaseModelError(
            f"base model {base!r} is no folder; pass --base with a folder or hub id"
        )
    source = str(folder or base)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source)
        model = AutoModelForSequenceClassification.from_pretrained(source, num_labels=labels)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0]
        raise BaseModelError(f"base model {base!r} cannot be loaded: {reason}") from error
    _give_padding(tokenizer, model)
    return tokenizer, model


def _give_padding(tokenizer: Any, model: Any) -> None:
    """Decoders of one text have no sign for padding; batches of rows need one."""
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if model.config.pad_token_id is None:
        model.config.pad_token_id = tokenizer.pad_token_id


def put_adapter(settings: RunSettings, model: Any) -> PeftModel:
    """A new adapter on a base model, as the settings say.

    Raises:
        AdapterError: The model has no such target module, or its W0 do not allow CondLoRA.
    """
    _check_targets(settings, model)
    shared = {
        "task_type": "SEQ_CLS",
        "r": settings.rank,
        "lora_alpha": settings.alpha,
        "lora_dropout": settings.dropout,
        "target_modules": list(settings.target_modules),
        "fan_in_fan_out": _is_conv1d(settings, model),
    }
    if settings.method == "condlora":
        return get_condlora_model(model, CondLoraConfig(convention=settings.convention, **shared))
    return cast(PeftModel, get_peft_model(model, LoraConfig(**shared)))


def _targeted(target: str, model: Any) -> list[Any]:
    return [
        module
        for name, module in model.named_modules()
        if isinstance(module, (Linear, Conv1D)) and (name == target or name.endswith(f".{target}"))
    ]


def _is_conv1d(settings: RunSettings, model: Any) -> bool:
    return any(
        isinstance(module, Conv1D)
        for target in settings.target_modules
        for module in _targeted(target, model)
    )


def _check_targets(settings: RunSettings, model: Any) -> None:
    for target in settings.target_modules:
        if not _targeted(target, model):
            linear = (
                name
                for name, module in model.named_modules()
                if isinstance(module, (Linear, Conv1D))
            )
            have = ", ".join(sorted({name.rsplit(".", 1)[-1] for name in linear}))
            raise AdapterError(f"{settings.base} has no linear layer {target!r}; it has: {have}")
