"""The reader of ``.bin`` files against torch.load, and files that torch.load would be led astray by."""

import collections
import io
import os
import pickle
import tracemalloc
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from lora_lens.errors import FileFormatError
from lora_lens.files.pickle_steps import SIZES
from lora_lens.files.pickled import load_bin

ONE = torch.arange(24.0).reshape(4, 6)
TENSORS: Mapping[str, Any] = {
    "plain": {"x": ONE},
    "transposed": {"x": ONE.T, "y": ONE[1:, ::2], "z": ONE[:, None, 3]},
    "shared": dict.fromkeys("abc", ONE),
    "broadcast of one": {"x": ONE[:1].expand(1, 6), "scalar": torch.tensor(3.0), "none": torch.zeros(0, 4)},
    "parameters": {"x": nn.Parameter(ONE), "y": nn.Parameter(ONE, requires_grad=False)},
    "with attributes": nn.Linear(3, 2).state_dict(),
    "beside others": {"x": ONE, "epoch": 3, "args": {"lr": 0.1, "by": ["a", (1, 2)]}, "none": None},
    "ordered": collections.OrderedDict(x=ONE, y=ONE.bool()),
    **{name: {"x": torch.ones(3, 2).to(getattr(torch, name))} for name in SIZES if "fnuz" not in name},
}  # fmt: skip


def octets(tensor: Tensor) -> Tensor:
    return tensor.detach().contiguous().flatten().view(torch.uint8)


@pytest.mark.parametrize("new", [True, False], ids=["zip", "in a row"])
@pytest.mark.parametrize("case", TENSORS)
def test_equals_torchs_own(case: str, new: bool, tmp_path: Path) -> None:
    if not new and case.startswith(("float8", "uint")) and case != "uint8":
        pytest.skip("PyTorch does not load these itself")
    path = tmp_path / "x.bin"
    torch.save(TENSORS[case], path, _use_new_zipfile_serialization=new)
    expected = torch.load(path, weights_only=True)
    found = load_bin(path)
    assert found.names == sorted(k for k, v in expected.items() if isinstance(v, Tensor))
    for name in found.names:
        wanted, one = expected[name], found.get(name)
        assert (one.shape, one.dtype) == (wanted.shape, wanted.dtype)
        assert found.shape(name) == tuple(wanted.shape)
        assert torch.equal(octets(one), octets(wanted))
        array = found.array(name)
        if array is not None:
            np.testing.assert_array_equal(
                array, wanted.detach().float().numpy() if wanted.is_floating_point() else wanted
            )
        found.release(name)
    if case in SIZES:
        unknown = ("float8", "complex", "uint16", "uint32", "uint64")
        assert (found.array("x") is None) == case.startswith(unknown)


class Rebuilt:
    """Pickled as a call of PyTorch's own with arguments of our choice."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def written(path: Path, found: Any, storages: Mapping[str, bytes], method: int = 0) -> Path:
    """An archive as torch.save writes it, of a pickle made by hand."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, one: Any) -> Any:
            return one if isinstance(one, tuple) and one and one[0] == "storage" else None

    stream = io.BytesIO()
    Pickler(stream, 2).dump(found)
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("archive/data.pkl", stream.getvalue())
        for key, content in storages.items():
            archive.writestr(f"archive/data/{key}", content)
        archive.writestr("archive/version", "3")
    return path


def rebuilt(offset: int, shape: tuple[int, ...], strides: tuple[int, ...], count: int = 4) -> Any:
    storage = ("storage", torch.FloatStorage, "0", "cpu", count)
    return Rebuilt(torch._utils._rebuild_tensor_v2, storage, offset, shape, strides, False, {})


@pytest.mark.parametrize(
    ("tensor", "why"),
    [
        (rebuilt(0, (100_000, 100_000), (0, 0)), "of the 4 that are stored"),
        (rebuilt(0, (2, 2), (1, 10**9)), "of the 4 that are stored"),
        (rebuilt(3, (2,), (1,)), "of the 4 that are stored"),
        (rebuilt(0, (10**12,), (1,), 10**12), "cut short"),
        (rebuilt(0, (2, 2), (1,)), "not a whole"),
        (rebuilt(-1, (2,), (1,)), "not a whole"),
        (rebuilt(0, (2**80,), (1,)), "that are stored"),
        (Rebuilt(torch._utils._rebuild_meta_tensor_no_storage, torch.float32, (9, 9), (9, 1), False), "meta"),
        (torch.eye(3).to_sparse(), "sparse"),
        (Rebuilt(torch._utils._rebuild_qtensor, ("storage", torch.QInt8Storage, "0", "cpu", 4)), "of torch.QInt8Storage"),
        (Rebuilt(eval, "1"), "could run code"),
        (Rebuilt(getattr, "torch", "load"), "could run code"),
        (Rebuilt(np.zeros, 10**12), "could run code"),
    ],
)  # fmt: skip
def test_a_tensor_that_is_not_simply_there_is_refused_in_little_memory(
    tensor: Any, why: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.bin"
    if isinstance(tensor, Tensor):
        torch.save({"x": tensor}, path)
    else:
        written(path, {"x": tensor}, {"0": bytes(16)})
    tracemalloc.start()
    with pytest.raises(FileFormatError, match=why) as caught:
        load_bin(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2e6
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("new", [True, False], ids=["zip", "in a row"])
def test_a_whole_model_is_more_than_tensors(new: bool, tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is a whole model
        torch.save({"x": ONE, "model": nn.Linear(3, 2)}, path, _use_new_zipfile_serialization=new)
    with pytest.raises(FileFormatError, match=r"holds more than tensors \('(torch.nn|module)"):
        load_bin(path)


@pytest.mark.filterwarnings("ignore:DTensor random operators:UserWarning")
def test_tensors_shared_out_between_processes_are_told(tmp_path: Path) -> None:
    """FSDP's, of a mesh of one process, whose file names what is of several as well."""
    from torch import distributed
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import Shard, distribute_tensor

    store = distributed.HashStore()
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        shared = distribute_tensor(ONE, init_device_mesh("cpu", (1,)), [Shard(0)])
        torch.save({"x": shared}, tmp_path / "x.bin")
    finally:
        distributed.destroy_process_group()
    with pytest.raises(FileFormatError, match=r"shared out between processes \(FSDP, DTensor\)"):
        load_bin(tmp_path / "x.bin")


def test_old_files_may_hold_numbers_of_no_tensor_by_name(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    held = {"x": ONE, "seen": {torch.tensor(3.0)}}
    torch.save(held, path, _use_new_zipfile_serialization=False)
    assert torch.equal(load_bin(path).get("x"), ONE)


def test_tensors_by_numbers_are_refused(tmp_path: Path) -> None:
    torch.save({0: ONE}, tmp_path / "x.bin")
    with pytest.raises(FileFormatError, match="a tensor under 0, expected each under a name"):
        load_bin(tmp_path / "x.bin")


def test_a_compressed_archive_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    content = {"0": bytes(10**7)}
    path = written(tmp_path / "x.bin", {"x": rebuilt(0, (4,), (1,))}, content, zipfile.ZIP_DEFLATED)
    with pytest.raises(FileFormatError, match="compressed"):
        load_bin(path)


def test_tensors_upon_each_other_are_bounded(tmp_path: Path) -> None:
    size = 100_000
    many = {f"x{k}": rebuilt(0, (size,), (1,), size) for k in range(2000)}
    path = written(tmp_path / "x.bin", many, {"0": bytes(4 * size)})
    with pytest.raises(FileFormatError, match="upon each other"):
        load_bin(path)


@pytest.mark.parametrize(
    "steps",
    [
        b"\x80\x02(l.", b"\x80\x02" + b"]" * 1000 + b".", b"\x80\x02r\xff\xff\xff\xff.", b"\x80\x02.",
        b"\x80\x05\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"\x80\x02" + b"(" * 5000 + b"t" * 5000 + b".",
        b"\x80\x02)" + b"2\x86" * 60 + b"}q\x00" + b"2s.", b"\x80\x02X\xff\xff\xff\x7fabc.",
    ],
)  # fmt: skip
def test_programs_of_a_pickle_end_soon(steps: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", steps)
    with pytest.raises(FileFormatError):
        load_bin(path)


@settings(max_examples=300, deadline=None)
@given(st.data(), st.booleans())
def test_changed_bytes_give_tensors_or_an_error(data: st.DataObject, new: bool) -> None:
    stream = io.BytesIO()
    torch.save({"x": ONE, "y": ONE.T[1:]}, stream, _use_new_zipfile_serialization=new)
    content = bytearray(stream.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    memory = Path("/dev/shm" if Path("/dev/shm").is_dir() else "/tmp")
    path = memory / f"lora-lens-test-pickled-{os.getpid()}.bin"
    path.write_bytes(
        content[: data.draw(st.integers(1, len(content)))] if data.draw(st.booleans()) else content
    )
    try:
        found = load_bin(path)
        for name in found.names:
            found.get(name).sum()
            found.array(name)
    except FileFormatError:
        pass
    finally:
        path.unlink()
