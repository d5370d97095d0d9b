"""A safetensors file that cannot be written."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from lora_lens.errors import OutputError
from lora_lens.files.saving import save_tensors
from lora_lens.staging import staged


def test_what_is_written_is_read(tmp_path: Path) -> None:
    save_tensors({"a": torch.eye(3)}, tmp_path / "a.safetensors", {"format": "pt"})
    torch.testing.assert_close(load_file(tmp_path / "a.safetensors")["a"], torch.eye(3))


def test_a_full_disk_is_told_as_of_any_file(small_disk: Path) -> None:
    with (
        pytest.raises(OutputError, match=r"cannot write to .*e: No space left on device"),
        staged(small_disk / "e") as folder,
    ):
        save_tensors({"a": torch.zeros(100_000)}, folder / "a.safetensors", {"format": "pt"})
    assert not list(small_disk.iterdir())
