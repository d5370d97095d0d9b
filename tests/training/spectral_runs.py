"""A few steps of a Trainer on a model of three small layers, and what SpectralCallback logged of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tiny_models import bert
from transformers import Trainer, TrainerCallback, TrainingArguments


def lora(**settings: Any) -> PeftModel:
    config = {"task_type": "SEQ_CLS", "r": 4, "lora_alpha": 8, "target_modules": ["query", "value"]}
    torch.manual_seed(0)
    return get_peft_model(bert(), LoraConfig(**(config | settings)))


def rows(model: PeftModel) -> list[dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    texts = [torch.randint(3, 50, (8,), generator=generator) for _ in range(48)]
    causal = "CausalLM" in type(model).__name__
    return [
        {"input_ids": ids, "labels": ids if causal else torch.tensor(k % 2)}
        for k, ids in enumerate(texts)
    ]


def trainer(
    model: PeftModel, folder: Path, *callbacks: TrainerCallback, **arguments: Any
) -> Trainer:
    settings = {
        "per_device_train_batch_size": 4, "max_steps": 12, "learning_rate": 1e-2, "report_to": "none",
        "use_cpu": True, "disable_tqdm": True, "save_strategy": "no", "logging_steps": 3, "seed": 1,
        "dataloader_pin_memory": False,
    }  # fmt: skip
    return Trainer(
        model=model,
        args=TrainingArguments(output_dir=str(folder), **(settings | arguments)),
        train_dataset=rows(model),
        callbacks=list(callbacks),
    )


def logged(one: Trainer) -> dict[int, dict[str, float]]:
    return {
        row["step"]: {name: value for name, value in row.items() if name.startswith("spectral/")}
        for row in one.state.log_history
        if "spectral/all/frobenius_norm" in row
    }
