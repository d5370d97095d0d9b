"""What can be trained, and what has to be known of each; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Method = Literal["lora", "condlora", "adalora", "condadalora", "head-alone"]


@dataclass(frozen=True)
class MethodFacts:
    """What is known of one method.

    Attributes:
        title: Its name in tables and figures.
        long_title: Its name where it stands alone, as on a card.
        allocates: Whether ranks are allocated in training, within AdaLoRA's budget.
        from_w0: Whether its factors are made of W0, which PEFT alone does not read.
    """

    title: str
    long_title: str
    allocates: bool
    from_w0: bool


METHODS: Mapping[Method, MethodFacts] = {
    "lora": MethodFacts("LoRA", "LoRA", allocates=False, from_w0=False),
    "condlora": MethodFacts("CondLoRA", "CondLoRA", allocates=False, from_w0=True),
    "adalora": MethodFacts("AdaLoRA", "AdaLoRA", allocates=True, from_w0=False),
    "condadalora": MethodFacts(
        "CondAdaLoRA", "CondLoRA in AdaLoRA's form", allocates=True, from_w0=True
    ),
    "head-alone": MethodFacts("head alone", "head alone", allocates=False, from_w0=False),
}
