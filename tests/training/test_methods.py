from __future__ import annotations

from typing import get_args

from lora_lens.training.methods import METHODS, Method
from tests.test_light import modules_after


def test_every_method_has_its_facts() -> None:
    assert tuple(METHODS) == get_args(Method)


def test_methods_are_known_without_anything_heavy() -> None:
    assert not modules_after("import lora_lens.training.methods") & {"torch", "numpy", "peft"}
