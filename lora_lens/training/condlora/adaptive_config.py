"""Settings of CondLoRA in AdaLoRA's form: which vectors there are, and how their budget shrinks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from peft import PEFT_TYPE_TO_CONFIG_MAPPING, PEFT_TYPE_TO_TUNER_MAPPING

from ...errors import AdapterError
from ...formats.condadalora import PEFT_TYPE, VERSION, VERSION_KEY
from .config import CondLoraConfig
from .refusal import PeftAlone


@dataclass
class CondAdaLoraConfig(CondLoraConfig):
    """CondLoRA's settings and AdaLoRA's budget, under the names that PEFT's AdaLoraConfig has.

    ``r`` is the rank that every layer begins with. After `tinit` of `total_step` steps the least
    important entries of the layers' Λ are set to zero, every `deltaT` steps, until `target_r` a layer
    are left on average, `tfinal` steps before the end.

    Attributes:
        target_r: Entries of Λ that a layer keeps on average.
        tinit: Steps before the first is taken away.
        tfinal: Steps after the last.
        deltaT: Steps from one allocation to the next.
        beta1, beta2: Of the running means of importance and of its uncertainty.
        orth_reg_weight: Of the mean of ‖PᵀP − I‖ and ‖QQᵀ − I‖ over the layers, in the loss.
        total_step: Steps of the training.

    Raises:
        AdapterError: As CondLoraConfig; or a budget or schedule that leaves nothing to allocate.
    """

    saved_as: ClassVar[str] = PEFT_TYPE
    version: ClassVar[tuple[str, int]] = (VERSION_KEY, VERSION)

    r: int = field(default=12)
    target_r: int = field(default=8)
    tinit: int = field(default=0)
    tfinal: int = field(default=1)
    deltaT: int = field(default=1)  # noqa: N815  (PEFT's name)
    beta1: float = field(default=0.85)
    beta2: float = field(default=0.85)
    orth_reg_weight: float = field(default=0.1)
    total_step: int | None = field(default=None)
    peft_type: Any = field(default=PEFT_TYPE)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.source != "w0":
            raise AdapterError(
                f"source is {self.source!r}, but CondLoRA in AdaLoRA's form makes its factors of W0 alone; leave it out"
            )
        if not 0 < self.target_r < self.r:
            raise AdapterError(
                f"target_r is {self.target_r}, expected from 1 to below r, the rank at the beginning: {self.r}"
            )
        steps = self.total_step
        if steps is None or steps < 1:
            raise AdapterError(f"total_step is {steps}, expected the number of training steps")
        if self.tfinal < 1 or self.tinit < 0 or self.tinit >= steps - self.tfinal:
            raise AdapterError(
                f"tinit {self.tinit} and tfinal {self.tfinal} of {steps} steps leave none to allocate "
                f"in; expected tinit from 0, tfinal from 1, and together fewer than all"
            )
        if self.deltaT < 1 or not (0 < self.beta1 < 1 and 0 < self.beta2 < 1):
            raise AdapterError(
                f"deltaT is {self.deltaT}, beta1 {self.beta1} and beta2 {self.beta2}; expected deltaT "
                f"from 1, and both betas between 0 and 1"
            )
        if not self.orth_reg_weight >= 0:
            raise AdapterError(f"orth_reg_weight is {self.orth_reg_weight}, expected at least 0")


PEFT_TYPE_TO_CONFIG_MAPPING[PEFT_TYPE] = CondAdaLoraConfig
PEFT_TYPE_TO_TUNER_MAPPING[PEFT_TYPE] = PeftAlone
