"""Files by another's name: what they are, and what to do."""

import gzip
import io
import tarfile
from pathlib import Path

import pytest
import torch
from checkpoints import BertLike, write_lora

from lora_lens import load_adapter
from lora_lens.errors import FileFormatError


def archive(file: Path) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as made:
        made.add(file, "adapter_model.safetensors")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("adapter_model.bin", "safetensors", "rename it to end with .safetensors"),
        ("adapter_model.safetensors", "torch", "rename it to end with .bin"),
        ("adapter_model.safetensors", "gzip", "compressed by gzip; unpack it"),
        ("adapter_model.bin", "tar", "a tar archive; unpack it"),
        ("adapter_model.safetensors", "page", "a web page, as a download that failed"),
        ("adapter_model.bin", "nothing", "empty, 0 bytes"),
        ("adapter_model.bin", "keras", "HDF5"),
        ("adapter_model.bin", "gguf", "rename it to end with .gguf"),
        ("lora.ckpt", "mindspore", "mindspore.ckpt_to_safetensors"),
        ("adapter_model.bin", "ggla", "of before GGUF"),
    ],
)
def test_it_is_told_by_its_first_bytes(tmp_path: Path, name: str, kind: str, said: str) -> None:
    write_lora(tmp_path / "lora", BertLike())
    whole = tmp_path / "lora" / "adapter_model.safetensors"
    stream = io.BytesIO()
    torch.save({"weight": torch.ones(2, 2)}, stream)
    content = {
        "safetensors": whole.read_bytes(), "torch": stream.getvalue(), "gzip": gzip.compress(whole.read_bytes()),
        "tar": archive(whole), "page": b"\n<!DOCTYPE html><html>not found</html>", "nothing": b"",
        "keras": b"\x89HDF\r\n\x1a\n" + bytes(99), "gguf": b"GGUF" + bytes(99),
        "ggla": b"algg" + bytes(99), "mindspore": b"\n\x1e\n\x0cmodel.layers\x12\x0e\x08\x04\x12\x07Float32\x1a\x10",
    }[kind]  # fmt: skip
    whole.unlink()
    (tmp_path / "lora" / name).write_bytes(content)
    with pytest.raises(FileFormatError, match=f"{name} is .*{said}"):
        load_adapter(tmp_path / "lora" / (name if name.endswith(".ckpt") else ""))


def test_what_is_no_file_is_not_offered_as_one(tmp_path: Path) -> None:
    write_lora(tmp_path / "lora", BertLike())
    (tmp_path / "lora" / "adapter_model.safetensors").unlink()
    (tmp_path / "lora" / "adapter_model.safetensors").mkdir()
    with pytest.raises(
        ValueError, match=r"adapter_model\.safetensors is a folder, expected a file"
    ):
        load_adapter(tmp_path / "lora")
