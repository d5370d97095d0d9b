"""AdaLoRA adapters made by PEFT, with PEFT's own ΔW, whole and after its ranks were cut."""

import importlib.util
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

peft = pytest.importorskip("peft")
spec = importlib.util.spec_from_file_location(
    "made_peft_lora", Path(__file__).with_name("peft_lora.py")
)
assert spec
assert spec.loader
lora: Any = importlib.util.module_from_spec(spec)
spec.loader.exec_module(lora)

Deltas = Mapping[str, Tensor]
VALUE = "bert.encoder.layer.{}.attention.self.value.lora_E.default"


def saved(
    make: Callable[[], torch.nn.Module],
    *,
    kept: Mapping[str, list[bool]] | None = None,
    **settings: Any,
) -> Callable[[Path], Deltas]:
    """A case; `kept`: by name of E, which of its entries were kept."""

    def case(folder: Path) -> Deltas:
        torch.manual_seed(0)
        make().save_pretrained(folder / "base")
        model = type(make()).from_pretrained(folder / "base")
        config = peft.AdaLoraConfig(**{"init_r": 4, "target_r": 2, "total_step": 10} | settings)
        tuned = lora.wrapped(model, config)
        tuned.peft_config["default"].rank_pattern = kept
        tuned.save_pretrained(folder / "adapter")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            again = peft.PeftModel.from_pretrained(
                type(make()).from_pretrained(folder / "base"), str(folder / "adapter")
            )
        found = lora.deltas(again)
        return {path: delta for path, delta in found.items() if delta.abs().sum() > 0}

    return case


CASES: Mapping[str, Callable[[Path], Deltas]] = {
    "whole": saved(lora.bert, target_modules=["query", "value"], lora_alpha=16),
    "cut": saved(
        lora.bert,
        target_modules=["value"],
        lora_alpha=0,
        kept={
            VALUE.format(0): [True, False, True, False],
            VALUE.format(1): [True, False, False, False],
        },
    ),
    "conv1d": saved(lora.gpt2, target_modules=["c_fc"], fan_in_fan_out=True),
}
