"""A CondLoRA adapter from its folder onto a base model."""

from __future__ import annotations

from pathlib import Path

from peft import PeftModel
from torch import nn

from ...files.locate import user_path
from .model import get_condlora_model
from .reading import read_saved
from .saving import load_saved


def load_condlora_model(
    model: nn.Module,
    folder: str | Path,
    *,
    adapter_name: str = "default",
    is_trainable: bool = False,
) -> PeftModel:
    """A base model with a saved CondLoRA adapter on it, in eval mode unless it is to be trained.

    Args:
        model: The base model; its targeted linear layers are replaced in place, as PEFT does. Where
            loading fails they are put back.
        folder: What `save_condlora` wrote, or a checkpoint of the authors' released code.
        adapter_name: PEFT's name for the adapter in this model.
        is_trainable: Whether θ and heads are to require gradients.

    Returns:
        A PEFT model. Further adapters come onto it by its ``load_adapter(folder, name)``.

    Raises:
        AdapterError: The folder holds no CondLoRA adapter, or one that does not fit this model; the
            message names the tensors or layers.
        FileFormatError: Its tensors are truncated, corrupt or unsafe.
    """
    saved = read_saved(user_path(folder))
    config = saved.config(is_trainable=is_trainable)
    wrapped = get_condlora_model(model, config, adapter_name)
    try:
        load_saved(wrapped, saved, adapter_name)
    except Exception:
        wrapped.base_model.unload()
        raise
    return wrapped if is_trainable else wrapped.eval()
