"""Tensors of a file as NumPy's arrays: what torch reads, without torch."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lora_lens.errors import FileFormatError
from lora_lens.files.local_files import LocalFiles
from lora_lens.files.mapped import map_file
from lora_lens.files.tensors import open_tensors


@pytest.mark.parametrize(
    "dtype",
    ["float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool"],
)
def test_an_array_is_the_tensor(dtype: str, tmp_path: Path) -> None:
    x = (torch.randn(3, 5, generator=torch.Generator().manual_seed(0)) * 3).to(
        getattr(torch, dtype)
    )
    save_file({"odd": torch.zeros(3, dtype=torch.uint8), "x": x}, tmp_path / "t.safetensors")
    found = map_file(tmp_path / "t.safetensors").array("x")
    assert found is not None
    assert found.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(found, x.numpy())


def test_every_bfloat16_is_the_float32_of_the_same_bits(tmp_path: Path) -> None:
    """All 65536 of them: subnormals, infinities and NaN too."""
    bits = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16)
    x = bits.view(torch.bfloat16).reshape(256, 256)
    save_file({"x": x}, tmp_path / "t.safetensors")
    found = map_file(tmp_path / "t.safetensors").array("x")
    assert found is not None
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, x.float().numpy())


def test_what_numpy_has_no_type_for_is_left_to_torch(tmp_path: Path) -> None:
    save_file({"x": torch.ones(2, 2).to(torch.float8_e4m3fn)}, tmp_path / "model.safetensors")
    torch.save({"x": torch.ones(2, 2).to(torch.float8_e4m3fn)}, tmp_path / "pickled.bin")
    for stem in ("model", "pickled"):
        store = open_tensors("here", LocalFiles(tmp_path), (stem,))
        assert store is not None
        assert store.array("x") is None
        assert store.get("x").shape == (2, 2)


def test_empty_tensors_and_files_written_to(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    save_file({"none": torch.zeros(0, 4), "x": torch.ones(2)}, path)
    mapped = map_file(path)
    empty = mapped.array("none")
    assert empty is not None
    assert empty.shape == (0, 4)
    with path.open("ab") as stream:
        stream.write(b"more")
    with pytest.raises(FileFormatError, match="was written to"):
        mapped.array("x")
