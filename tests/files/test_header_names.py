"""A header of more names than any model has is refused before anything is made of them."""

import json
import struct
from pathlib import Path

import pytest
import torch
from checkpoints import BertLike, write_lora
from safetensors.torch import save_file

import lora_lens as ll
from lora_lens.errors import FileFormatError
from lora_lens.files import header_names
from lora_lens.files.header_names import check_header_names, check_index_names
from lora_lens.files.mapped import map_file
from lora_lens.files.names import MOST_NAMES, refused

MANY = "has more than .* tensors, expected at most so many"


def header(path: Path, content: bytes) -> Path:
    path.write_bytes(struct.pack("<Q", len(content)) + content + b"\0" * 4)
    return path


def entries(count: int) -> bytes:
    one = b'"%x":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    return b"{" + b",".join(one % k for k in range(count)) + b"}"


def test_one_name_too_many_in_a_header(tmp_path: Path) -> None:
    lora = write_lora(tmp_path, BertLike())
    header(lora / "adapter_model.safetensors", entries(MOST_NAMES + 2))
    with pytest.raises(FileFormatError, match=MANY):
        ll.load_adapter(lora)
    check_header_names(header(tmp_path / "as many.safetensors", entries(MOST_NAMES)))


def test_braces_in_words_are_no_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(header_names, "MOST_NAMES", 4)
    monkeypatch.setattr(header_names, "_MOST_COMMAS", 32)
    path = tmp_path / "one.safetensors"
    save_file({f"{k}{{": torch.ones(2) for k in range(4)}, path, {"said": "{" * 100})
    assert len(map_file(path).names) == 4
    save_file({str(k): torch.ones(2) for k in range(5)}, path, {"said": "{" * 100})
    with pytest.raises(FileFormatError, match=MANY):
        map_file(path)


def test_a_shape_of_millions_of_axes(tmp_path: Path) -> None:
    axes = b",".join([b"1"] * (8 * MOST_NAMES + 2))
    content = b'{"a":{"dtype":"F32","shape":[' + axes + b'],"data_offsets":[0,4]}}'
    with pytest.raises(FileFormatError, match="numbers and words, expected at most so many"):
        map_file(header(tmp_path / "one.safetensors", content))


@pytest.mark.parametrize(
    "content", [b"", b"{" * (4 << 20), b'{"a":' * (4 << 20), b"\xff{" * (4 << 20)]
)
def test_what_is_no_header_is_for_its_library_to_say(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="is not a whole safetensors file"):
        map_file(header(tmp_path / "one.safetensors", content))


@pytest.mark.parametrize("second", [(0, 4), (2, 6), (3, 4)])
def test_tensors_on_the_same_bytes_are_refused(second: tuple[int, int], tmp_path: Path) -> None:
    said = {
        name: {"dtype": "F16", "shape": [(stop - start) // 2], "data_offsets": [start, stop]}
        for name, (start, stop) in {"a": (0, 4), "b": second, "c": (4, 4)}.items()
    }
    path = header(tmp_path / "one.safetensors", json.dumps(said).encode())
    with pytest.raises(FileFormatError, match="is not a whole safetensors file"):
        map_file(path)


def test_one_name_too_many_in_an_index(tmp_path: Path) -> None:
    lora = write_lora(tmp_path, BertLike())
    (lora / "adapter_model.safetensors").unlink()
    index = lora / "adapter_model.safetensors.index.json"
    index.write_text(
        json.dumps({"weight_map": {f"{k:x}": "a.safetensors" for k in range(MOST_NAMES + 1000)}})
    )
    with pytest.raises(FileFormatError, match=MANY):
        ll.load_adapter(lora)
    index.write_text(json.dumps({"weight_map": {f"{k:x}": "a" for k in range(MOST_NAMES)}}))
    check_index_names(index)


def test_one_name_too_many_in_a_pickle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shape = BertLike()
    lora = write_lora(tmp_path, shape, binary=True)
    monkeypatch.setattr(refused, "MOST_NAMES", len(shape.adapter))
    ll.load_adapter(lora)
    monkeypatch.setattr(refused, "MOST_NAMES", len(shape.adapter) - 1)
    with pytest.raises(FileFormatError, match=MANY):
        ll.load_adapter(lora)
