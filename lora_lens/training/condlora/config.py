"""Settings of a CondLoRA adapter."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from peft import PEFT_TYPE_TO_CONFIG_MAPPING, PEFT_TYPE_TO_TUNER_MAPPING, LoraConfig

from ...errors import AdapterError
from ...formats.condlora import PEFT_TYPE, VERSION, VERSION_KEY
from ...sources import SOURCES, Source
from ...updates import Convention
from .refusal import PeftAlone

# Settings of LoRA under which A and B would be something else than functions of W0 and a shared θ.
_NOT_SHARED = ("rank_pattern", "lora_bias", "layer_replication", "target_parameters", "use_dora")


@dataclass
class CondLoraConfig(LoraConfig):
    """Settings of a CondLoRA adapter: PEFT's own for LoRA, and the convention.

    ``alpha_pattern`` and ``use_rslora`` scale as in PEFT; ``rank_pattern`` cannot be, for the
    layers share θ.

    Attributes:
        convention: ``consistent``, the paper's equations, for W0 of any shape; or ``stored``, the
            released code, for square W0.
        source: What A and B are made of: ``w0``, each layer's own, or a control in its place: ``shuffled``, ``gaussian`` or
            ``identity``.

    Raises:
        AdapterError: An unknown convention or source, or a setting that only plain LoRA can have.
    """

    saved_as: ClassVar[str] = PEFT_TYPE
    version: ClassVar[tuple[str, int]] = (VERSION_KEY, VERSION)

    convention: Convention = field(default="consistent")
    source: Source = field(default="w0")
    # PEFT's own would be LORA, of which its get_peft_model makes plain LoRA, and trains it unseen.
    peft_type: Any = field(default=PEFT_TYPE)

    def __post_init__(self) -> None:
        given = self.peft_type
        if not isinstance(self.r, int) or self.r < 1:
            raise AdapterError(f"r is {self.r!r}, expected a whole number from 1")
        super().__post_init__()
        self.peft_type = given
        if self.convention not in ("stored", "consistent"):
            raise AdapterError(
                f"convention is {self.convention!r}, expected 'stored' or 'consistent'"
            )
        if self.source not in SOURCES:
            raise AdapterError(f"source is {self.source!r}, expected one of {', '.join(SOURCES)}")
        variants = [f.name for f in fields(self) if f.metadata.get("is_lora_variant")]
        for name in (*_NOT_SHARED, *variants):
            if getattr(self, name, None):
                raise AdapterError(
                    f"CondLoRA's layers share one θ, so {name} cannot be set; leave it out"
                )
        if self.init_lora_weights is not True:
            raise AdapterError(
                f"init_lora_weights is {self.init_lora_weights!r}, but CondLoRA starts θ_A by "
                f"Kaiming and θ_B at zero; leave it True"
            )


# Where PEFT looks when it is given such a configuration, or a folder that holds one.
PEFT_TYPE_TO_CONFIG_MAPPING[PEFT_TYPE] = CondLoraConfig
PEFT_TYPE_TO_TUNER_MAPPING[PEFT_TYPE] = PeftAlone
