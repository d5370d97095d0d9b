"""CondLoRA in AdaLoRA's form, made by lora-lens's own training, with the ΔW that PEFT's layers have there."""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")

Deltas = Mapping[str, Tensor]


def saved(*, emptied: bool = False, **settings: Any) -> Callable[[Path], Deltas]:
    """A case: what `save_pretrained` writes, every layer with some of Λ taken away, one with all of it."""

    def case(folder: Path) -> Deltas:
        from lora_lens.training.condlora import CondAdaLoraConfig, get_condlora_model

        torch.manual_seed(0)
        config = transformers.BertConfig(
            hidden_size=24, num_hidden_layers=3, num_attention_heads=2, intermediate_size=32, vocab_size=30
        )  # fmt: skip
        transformers.BertForSequenceClassification(config).save_pretrained(folder / "base")
        model = transformers.BertForSequenceClassification.from_pretrained(folder / "base")
        tuned = get_condlora_model(
            model,
            CondAdaLoraConfig(
                **{"r": 6, "target_r": 3, "total_step": 10, "lora_alpha": 6, "task_type": "SEQ_CLS"} | settings
            ),
        )  # fmt: skip
        gates = [p for name, p in tuned.named_parameters() if name.endswith("gate")]
        with torch.no_grad():
            for name, parameter in tuned.named_parameters():
                if name.endswith(("theta", "gate")):
                    torch.nn.init.normal_(parameter)
            for number, gate in enumerate(gates):
                gate[number % 3 :: 3] = 0
            if emptied:
                gates[1].zero_()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tuned.save_pretrained(folder / "adapter")
        deltas = {
            name: layer.double().get_delta_weight("default").detach()
            for name, layer in tuned.get_base_model().named_modules()
            if hasattr(layer, "get_delta_weight")
        }
        return {name: delta for name, delta in deltas.items() if delta.any()}

    return case


CASES: Mapping[str, Callable[[Path], Deltas]] = {
    "consistent": saved(target_modules=["query", "value"]),
    "stored": saved(target_modules=["query"], convention="stored", use_rslora=True),
    "rectangular": saved(target_modules=["intermediate.dense"], alpha_pattern={"dense": 12}),
    "an empty layer": saved(target_modules=["value"], emptied=True),
}
