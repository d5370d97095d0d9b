import contextlib
import json
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save, save_file

from lora_lens import load_adapter
from lora_lens.errors import AdapterError, FileFormatError
from lora_lens.files import mapped
from lora_lens.files.local_files import LocalFiles
from lora_lens.files.mapped import map_file
from lora_lens.files.tensors import open_tensors

DTYPES = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2,
    torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool,
]  # fmt: skip


def test_equals_the_library_in_every_type_and_shape(tmp_path: Path) -> None:
    tensors = {str(k): (torch.randn(3, 5) * 10).to(dtype) for k, dtype in enumerate(DTYPES)}
    tensors |= {
        "none": torch.empty(0, 4),
        "scalar": torch.tensor(2.5),
    }
    with contextlib.suppress(KeyError):  # before safetensors 0.6 there are none
        save({"complex": torch.ones(2) * 1j})
        tensors["complex"] = torch.ones(2) * 1j
    save_file(tensors, tmp_path / "all.safetensors", metadata={"who": "a test"})
    found, expected = (
        map_file(tmp_path / "all.safetensors"),
        load_file(tmp_path / "all.safetensors"),
    )
    assert found.names == sorted(expected)
    assert found.metadata == {"who": "a test"}
    for name, tensor in expected.items():
        here = found.get(name)
        assert (here.dtype, here.shape, found.shape(name)) == (
            tensor.dtype,
            tensor.shape,
            tensor.shape,
        )
        for _ in range(2):
            assert found.get(name).to(torch.complex128).equal(tensor.to(torch.complex128))
            found.release(name)


def test_numbers_that_do_not_begin_at_a_multiple_of_their_size(tmp_path: Path) -> None:
    header = {"x": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
              "y": {"dtype": "F32", "shape": [2], "data_offsets": [1, 9]}}  # fmt: skip
    text = json.dumps(header).encode()
    content = struct.pack("<Q", len(text)) + text + b"\x01" + struct.pack("<2f", 1.5, -2)
    (tmp_path / "odd.safetensors").write_bytes(content)
    assert map_file(tmp_path / "odd.safetensors").get("y").tolist() == [1.5, -2]


def test_what_is_written_into_a_tensor_stays_out_of_the_file(tmp_path: Path) -> None:
    save_file({"x": torch.ones(3)}, tmp_path / "x.safetensors")
    map_file(tmp_path / "x.safetensors").get("x")[:] = 7
    assert load_file(tmp_path / "x.safetensors")["x"].tolist() == [1, 1, 1]


def test_a_file_written_to_meanwhile_is_refused_and_a_replaced_one_kept(tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    save_file({"x": torch.ones(4000)}, file)
    opened = map_file(file)
    save_file({"x": torch.zeros(4000)}, tmp_path / "new")
    (tmp_path / "new").replace(file)
    assert opened.get("x").sum() == 4000
    opened = map_file(file)
    with file.open("r+b") as stream:
        stream.truncate(100)
    with pytest.raises(FileFormatError, match="was written to while it was read"):
        opened.get("x")


def test_one_processs_part_of_shared_out_tensors_is_refused(tmp_path: Path) -> None:
    """torch.distributed.checkpoint's HuggingFaceStorageWriter: of rank 1 the first has the whole A and half of B."""
    offsets = json.dumps({"x.lora_B.weight": {"saved_offsets": [0, 0]}})
    path = tmp_path / "shard-00001-model-00001-of-00001.safetensors"
    save_file({"x.lora_B.weight": torch.ones(3, 1)}, path, {"DCP_SHARDING_INFO": offsets})
    with pytest.raises(FileFormatError, match="one process's part.*enable_consolidation"):
        map_file(path)
    whole = path.rename(
        tmp_path / "model-00001-of-00001.safetensors"
    )  # as it is saved without being shared out
    assert map_file(whole).entries.keys() == {"x.lora_B.weight"}


def test_a_shard_without_the_tensor_that_the_index_puts_there(tmp_path: Path) -> None:
    save_file({"x": torch.ones(1)}, tmp_path / "a.safetensors")
    index = {"weight_map": {"x": "a.safetensors", "y": "a.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    store = open_tensors("here", LocalFiles(tmp_path), ("model",))
    assert store
    assert store.get("x") == 1
    with pytest.raises(FileFormatError, match="has no tensor y"):
        store.get("y")


@pytest.mark.parametrize("index", [False, True])
def test_variants_are_found_by_transformers_own_names(tmp_path: Path, index: bool) -> None:
    name = "model-00001-of-00001.fp16.safetensors" if index else "model.fp16.safetensors"
    save_file({"x": torch.ones(1)}, tmp_path / name)
    if index:
        (tmp_path / "model.safetensors.index.fp16.json").write_text(
            json.dumps({"weight_map": {"x": name}})
        )
    store = open_tensors("here", LocalFiles(tmp_path), ("model", "model.fp16"))
    assert store
    assert store.get("x") == 1


def write_adapter(folder: Path, modules: int) -> None:
    folder.mkdir()
    tensors = {
        f"base_model.model.layers.{k}.{module}.lora_{letter}.weight": torch.ones(shape)
        for k in range(modules)
        for module in ("q_proj", "v_proj")
        for letter, shape in (("A", (1, 4)), ("B", (4, 1)))
    }
    save_file(tensors, folder / "adapter_model.safetensors")
    settings = {"peft_type": "LORA", "r": 1, "lora_alpha": 1}
    (folder / "adapter_config.json").write_text(json.dumps(settings))


def test_an_adapter_of_any_size_is_one_file_opened_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_adapter(tmp_path / "lora", 50)
    opened = []

    def counted(path: Path) -> mapped.MappedFile:
        opened.append(path)
        return map_file(path)

    monkeypatch.setattr("lora_lens.files.tensors.map_file", counted)
    adapter = load_adapter(tmp_path / "lora")
    assert adapter.modules["q_proj"].a.sum() == 200
    assert len(opened) == 1


def test_an_adapter_that_is_overwritten_says_so(tmp_path: Path) -> None:
    write_adapter(tmp_path / "lora", 50)
    adapter = load_adapter(tmp_path / "lora")
    file = tmp_path / "lora" / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(FileFormatError, match="load it again"):
        _ = adapter.modules["v_proj"]  # the checks of types in these tests have read the first one
    with pytest.raises((AdapterError, FileFormatError)):
        load_adapter(tmp_path / "lora")
