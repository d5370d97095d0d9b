"""What PEFT finds where it looks for the model that a CondLoraConfig is for."""

from __future__ import annotations

from peft.tuners.lora import LoraModel

from ...errors import AdapterError


class PeftAlone(LoraModel):
    """Refuses what PEFT by itself would make plain LoRA of, or not know at all.

    Raises:
        AdapterError: Always; it says which functions of ours to call.
    """

    def __init__(self, *_: object, **__: object) -> None:
        raise AdapterError(
            "PEFT alone cannot make CondLoRA; wrap a model by get_condlora_model(model, config), and "
            "open a saved adapter by load_condlora_model(model, folder)"
        )
