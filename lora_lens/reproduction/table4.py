"""Table 4: trainable parameters, and training examples a second measured side by side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..errors import AdapterError
from ..files.locate import read_json
from ..show.layout import NONE, Table
from ..show.text import as_json
from ..staging import staged
from ..training.models import open_classifier, put_adapter
from ..training.record import device_name, parameter_counts, versions
from ..training.speed import training_speed
from .config import Config
from .paper import NAMES, TABLE_4

RECORD_NAME = "speed.json"


def measure_speed(config: Config, out: Path, *, use_cpu: bool) -> None:
    """Write ``speed.json``: both methods on one batch of random tokens, step by step in turn."""
    wanted = config.analysis
    task = next(iter(config.tasks))
    device = torch.device("cuda" if torch.cuda.is_available() and not use_cpu else "cpu")
    models: dict[str, nn.Module] = {}
    counts: dict[str, dict[str, int]] = {}
    for method in config.methods:
        settings = config.settings(task, method)
        classifier = open_classifier(config.base, 2)
        adapted = put_adapter(settings, classifier)
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
        "versions": versions(),
    }
    with staged(out) as folder:
        (folder / RECORD_NAME).write_text(as_json(record), encoding="utf-8")


def read_speed(out: Path) -> dict[str, Any]:
    """What `measure_speed` wrote."""
    return read_json(out / RECORD_NAME, AdapterError)


def speed_table(record: Mapping[str, Any], base: str) -> Table:
    """A row a method: ours, and the paper's beside it."""
    rows = [
        [
            NAMES[method],
            f"{found['trainable_parameters']:,}",
            f"{found['examples_per_second']:.1f}",
            f"{found['bytes'] / 2**20:.0f}",
            *_of_paper(method),
        ]
        for method, found in record["methods"].items()
    ]
    if record["condlora_over_lora"] is not None:
        paper = TABLE_4["condlora"][1] / TABLE_4["lora"][1]
        ours = record["condlora_over_lora"]
        rows.append(["CondLoRA / LoRA", "", f"{ours:.3f}", "", "", f"{paper:.3f}"])
    memory = next(iter(record["methods"].values()))["memory"]
    threads = f"{record['threads']} thread{'' if record['threads'] == 1 else 's'}"
    return Table(
        f"{base}: trainable parameters (without the head) and training examples a second on "
        f"{record['device']}, {threads}, {record['batch_size']} rows of "
        f"{record['tokens']} tokens, {record['steps']} steps of each in turn, medians; MiB {memory}",
        ["method", "parameters", "examples/s", "MiB", "parameters, paper", "examples/s, paper"],
        rows,
    )


def _of_paper(method: str) -> list[str]:
    if method not in TABLE_4:
        return [NONE, NONE]
    parameters, examples = TABLE_4[method]
    return [f"{parameters:,}", f"{examples:.1f}"]
