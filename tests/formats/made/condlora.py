"""CondLoRA adapters made by lora-lens's own training, with the ΔW that PEFT's layers have there."""

import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from made_formats import made_by
from torch import Tensor

pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")
bert = made_by("peft_lora").bert

Deltas = Mapping[str, Tensor]


def saved(*, version: bool = True, **settings: Any) -> Callable[[Path], Deltas]:
    """A case: what `save_condlora` writes; without the version, as it did at first."""

    def case(folder: Path) -> Deltas:
        from lora_lens.training.condlora import CondLoraConfig, get_condlora_model

        torch.manual_seed(0)
        bert().save_pretrained(folder / "base")
        model = transformers.BertForSequenceClassification.from_pretrained(folder / "base")
        config = CondLoraConfig(**{"r": 3, "lora_alpha": 6, "task_type": "SEQ_CLS"} | settings)
        tuned = get_condlora_model(model, config)
        for name, parameter in tuned.named_parameters():
            if "theta" in name:
                torch.nn.init.normal_(parameter)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tuned.save_pretrained(folder / "adapter")
        file = folder / "adapter" / "adapter_config.json"
        said = json.loads(file.read_text())
        assert said.pop("condlora_version") == (1 if settings.get("source", "w0") == "w0" else 2)
        if not version:
            file.write_text(json.dumps(said))
        layers = tuned.get_base_model().named_modules()
        return {
            name: layer.double().get_delta_weight("default").detach()
            for name, layer in layers
            if hasattr(layer, "get_delta_weight")
        }

    return case


CASES: Mapping[str, Callable[[Path], Deltas]] = {
    "consistent": saved(target_modules=["query", "value"]),
    "stored": saved(target_modules=["query", "value"], convention="stored", use_rslora=True),
    "rectangular": saved(target_modules=["intermediate.dense"], alpha_pattern={"dense": 12}),
    "shuffled": saved(target_modules=["query", "value"], source="shuffled"),
    "gaussian": saved(target_modules=["intermediate.dense"], source="gaussian"),
    "identity": saved(target_modules=["query"], convention="stored", source="identity"),
    "first version": saved(target_modules=["value"], version=False),
}
