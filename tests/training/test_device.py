from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lora_lens.training.arguments import training_arguments
from lora_lens.training.device import run_device
from lora_lens.training.settings import RunSettings


def test_any_accelerator_is_used_unless_the_cpu_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("mps"))
    assert run_device(use_cpu=False).type == "mps"
    assert run_device(use_cpu=True).type == "cpu"


def test_what_trains_is_there_too(tmp_path: Path) -> None:
    settings = RunSettings(task="rte", method="lora", base="b").resolved()
    for asked in (False, True):
        arguments = training_arguments(settings, tmp_path, 100, asked, keep_checkpoints=False)
        assert arguments.device.type == run_device(use_cpu=asked).type
