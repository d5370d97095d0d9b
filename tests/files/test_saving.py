"""A safetensors file that cannot be written."""

import errno
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from lora_lens.errors import OutputError
from lora_lens.files import saving
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


@pytest.mark.parametrize(
    "words",
    [
        "I/O error: No space left on device (os error 28)",
        'IoError(Os { code: 28, kind: StorageFull, message: "No space left on device" })',  # before 0.6
    ],
)
def test_the_systems_errors_are_found_in_the_librarys_words_of_any_version(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise SafetensorError(f"Error while serializing: {words}")

    monkeypatch.setattr(saving, "save_file", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        save_tensors({"a": torch.eye(3)}, tmp_path / "a.safetensors", {"format": "pt"})
    assert caught.value.errno == errno.ENOSPC
