"""A model on a GPU gives what it gives on the CPU, by one that refuses what CUDA refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from pretend_gpu import CARD, PretendGPU
from tiny_models import KINDS, bert

import lora_lens as ll
from lora_lens.training.spectral.measuring import Measuring
from lora_lens.training.spectral.stacks import stacks_of


def lora(**settings: Any) -> PeftModel:
    torch.manual_seed(0)
    config = LoraConfig(
        r=4, task_type="SEQ_CLS", target_modules=["query", "value"], init_lora_weights=False, **settings
    )  # fmt: skip
    return get_peft_model(bert(), config).eval()


MODELS = {
    "lora": lora,
    "dora": lambda: lora(use_dora=True),
    "condlora": lambda: KINDS["bert"].wrapped("consistent"),
}
QUESTIONS: dict[str, dict[str, Any]] = {
    "conversion_similarity": {"draws": 2},
    "compare": {"draws": 2},
    "spectrum": {},
}


@pytest.mark.parametrize("name", MODELS)
def test_an_adapter_of_a_model_there(name: str, card: PretendGPU) -> None:
    model = MODELS[name]()
    expected = ll.load_adapter(model).modules["value"]
    asked = {} if name == "dora" else QUESTIONS
    answers = {
        question: ask(question, model, "cpu", options) for question, options in asked.items()
    }
    model = model.to("cuda")
    assert {parameter.device for parameter in model.parameters()} == {CARD}
    found = ll.load_adapter(model).modules["value"]
    assert torch.equal(found.a, expected.a)
    assert torch.equal(found.b, expected.b)
    for question, options in asked.items():
        before = card.computed
        assert ask(question, model, "cuda", options) == pytest.approx(answers[question], rel=1e-4)
        assert card.computed > before


def ask(question: str, model: PeftModel, device: str, options: dict[str, Any]) -> list[float]:
    models = (model, MODELS["lora"]()) if question == "compare" else (model,)
    answer = getattr(ll, question)(*models, module="value", device=device, **options)
    numbers = answer.to_frame().select_dtypes("number").to_numpy().ravel()
    return list(numbers[~np.isnan(numbers)])


def test_export_and_report(card: PretendGPU, tmp_path: Path) -> None:
    model = MODELS["condlora"]()
    ll.export_lora(model, tmp_path / "here")
    model = model.to("cuda")
    ll.export_lora(model, tmp_path / "there")
    here, there = (ll.load_adapter(tmp_path / name).modules["value"] for name in ("here", "there"))
    assert torch.equal(here.b, there.b)
    assert ll.report(model, out=tmp_path / "report.html", module="value", draws=2).exists()


@pytest.mark.parametrize("name", ["lora", "condlora"])
def test_a_runs_spectra(name: str, card: PretendGPU, tmp_path: Path) -> None:
    def looked(model: PeftModel) -> dict[str, Any]:
        measuring = Measuring(stacks_of(model), 0)
        measuring.save(tmp_path)
        assert measuring.restore(tmp_path)
        assert measuring.bases()
        return measuring.look(1)

    model = MODELS[name]()
    expected = looked(model)
    for module, numbers in looked(model.to("cuda")).items():
        assert numbers == pytest.approx(expected[module], rel=1e-6)
