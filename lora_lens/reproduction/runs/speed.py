"""Training examples a second of every method, measured side by side for Table 4."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from ...show.text import as_json
from ...staging import staged
from ...training.device import run_device
from ...training.models import open_classifier, put_adapter
from ...training.record import device_name, parameter_counts, versions
from ...training.speed import training_speed
from ..experiment.config import Config
from .speed_record import RECORD_NAME, measured

_STEPS = 1000  # of the schedule of AdaLoRA's form, which is not gone through: only its ranks at the beginning count


def measure_speed(config: Config, out: Path, *, use_cpu: bool) -> None:
    """Write ``speed.json``: both methods on one batch of random tokens, step by step in turn."""
    wanted = config.analysis
    task = next(iter(config.tasks))
    device = run_device(use_cpu=use_cpu)
    models: dict[str, nn.Module] = {}
    counts: dict[str, dict[str, int]] = {}
    for method in config.methods:
        settings = config.settings(task, method)
        classifier = open_classifier(config.base, 2)
        adapted = put_adapter(settings, classifier, steps=_STEPS)
        models[method], counts[method] = adapted.to(device).train(), parameter_counts(adapted)
    shape = (settings.batch_size, wanted.speed_length)
    ids = torch.randint(
        len(classifier.tokenizer), shape, generator=torch.Generator().manual_seed(0)
    )
    batch = {
        "input_ids": ids.to(device),
        "attention_mask": torch.ones_like(ids).to(device),
        "labels": torch.zeros(shape[0], dtype=torch.long, device=device),
    }
    found = training_speed(models, batch, steps=wanted.speed_steps)
    record = {
        "batch_size": shape[0],
        "tokens": shape[1],
        "steps": wanted.speed_steps,
        "device": device_name(device),
        "threads": torch.get_num_threads(),
        "methods": {
            method: {
                **counts[method],
                "examples_per_second": speed.examples_per_second,
                "bytes": speed.bytes,
                "memory": speed.memory,
                "dtype": speed.dtype,
            }
            for method, speed in found.items()
        },
        "condlora_over_lora": (
            found["condlora"].times_faster_than(found["lora"])
            if {"lora", "condlora"} <= set(found)
            else None
        ),
        "settings": measured(config),
        "versions": versions(),
    }
    with staged(out) as folder:
        (folder / RECORD_NAME).write_text(as_json(record), encoding="utf-8")
