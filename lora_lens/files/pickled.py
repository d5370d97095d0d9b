"""A ``.bin`` file: tensors that PyTorch pickled, each read where it lies in the file, without running anything."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..arrays import Tensor
from ..errors import FileFormatError
from ..printable import first_line
from .mapped import Content, Version
from .pickle_steps import (
    MOST_BYTES,
    SIZES,
    NoNumbersError,
    NotTensorsError,
    Steps,
    StoredTensor,
    TooMuchError,
)
from .wrapped import tensors_within

_ZIP = b"PK\x03\x04"
_MAGIC = 0x1950A86A20F9469CFC6C  # of the format before PyTorch 1.6
_NUMPYS: Mapping[str, str] = {
    "float64": "<f8", "float32": "<f4", "float16": "<f2", "bfloat16": "<u2", "int64": "<i8", "int32": "<i4",
    "int16": "<i2", "int8": "i1", "uint8": "u1", "bool": "?",
}  # fmt: skip
# Layers may share a storage (θ of CondLoRA); more than that is a file made to be large in memory.
_MOST_SHARED = 512
_EXPORTED = ("models/", "archive_format", "serialized_exported_program")
_HEADER = 30  # bytes of a ZIP member's own header, before its name


class _Said(NamedTuple):
    """What the pickle says, and where each storage begins and ends in the file."""

    said: Any
    places: Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class BinFile:
    """A ``.bin`` file; none of its numbers is read before it is asked for.

    Attributes:
        path: Of the file.
        tensors: Tensor name to what the pickle says of it.
        places: Storage to the bytes of the file that it is.
        content: Its bytes.
        beside: Names of tensors that are in it beside these, in dictionaries of their own.
    """

    path: Path
    tensors: Mapping[str, StoredTensor]
    places: Mapping[str, tuple[int, int]]
    content: Content
    beside: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """Of its tensors, sorted."""
        return sorted(self.tensors)

    @property
    def read_from(self) -> dict[Path, Version]:
        """The file, as it was when it was opened."""
        return {self.path: self.content.version}

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor."""
        return self.tensors[name].shape

    def get(self, name: str) -> Tensor:
        """A tensor as it lies in the file; not to be written into.

        Raises:
            FileFormatError: The file was written to or cut short since it was opened.
        """
        return self._of_entry(self.tensors[name])

    def rows(self, name: str, start: int, stop: int) -> Tensor:
        """Some of a tensor's rows, without those beside them."""
        one = self.tensors[name]
        start, stop, _ = slice(start, stop).indices(one.shape[0])
        shape = (max(stop - start, 0), *one.shape[1:])
        return self._of_entry(replace(one, offset=one.offset + start * one.strides[0], shape=shape))

    def _of_entry(self, one: StoredTensor) -> Tensor:
        import torch

        dtype = getattr(torch, one.storage.dtype)
        if not one.count:
            return torch.empty(one.shape, dtype=dtype)
        return torch.frombuffer(self._flat(one), dtype=dtype).as_strided(one.shape, one.strides)

    def array(self, name: str) -> NDArray[Any] | None:
        """The same as NumPy's array, without torch, bfloat16 as float32; None of a type that NumPy has not.

        Raises:
            FileFormatError: The file was written to or cut short since it was opened.
        """
        one = self.tensors[name]
        dtype = _NUMPYS.get(one.storage.dtype)
        if dtype is None:
            return None
        if not one.count:
            return np.empty(one.shape, "<f4" if one.storage.dtype == "bfloat16" else dtype)
        flat = self._flat(one).view(dtype)
        strides = [step * flat.itemsize for step in one.strides]
        found: NDArray[Any] = np.lib.stride_tricks.as_strided(flat, one.shape, strides)
        if one.storage.dtype == "bfloat16":
            halves = found.astype("<u4")
            halves <<= 16
            return halves.view("<f4")
        return found

    def _flat(self, one: StoredTensor) -> NDArray[np.uint8]:
        """The bytes of its storage from its first number to its last."""
        start, size = self.places[one.storage.key][0], SIZES[one.storage.dtype]
        stop = start + size * (one.last + 1)
        return self.content.numbers(start + size * one.offset, stop, size)

    def place(self, name: str) -> tuple[Path, int, str] | None:
        """File, first byte and torch's type of a tensor; None of one that does not lie there row by row."""
        one = self.tensors[name]
        steps = [math.prod(one.shape[k + 1 :]) for k in range(len(one.shape))]
        if list(one.strides) != steps:
            return None
        start, _ = self.places[one.storage.key]
        return self.path, start + one.offset * SIZES[one.storage.dtype], one.storage.dtype

    def release(self, name: str) -> None:
        """Give back the memory that a tensor's pages take; they are read anew when asked for again."""
        self.content.release(*self.places[self.tensors[name].storage.key])


def load_bin(path: Path) -> BinFile:
    """Open a ``.bin`` file: what it says is looked at, and nothing that it names is called or imported.

    Raises:
        FileFormatError: It is truncated or corrupt, holds more than tensors, or a tensor of more numbers
            than the file has.
    """
    try:
        content = Content(path)
        if not content.version.size:
            raise ValueError("it is empty")
        zipped = content.octets(0, 4) == _ZIP
        said, places = _zipped(path, content) if zipped else _in_a_row(content)
        tensors, beside = _tensors(path, said)
        _check_places(path, tensors, places, content.version.size)
    except FileFormatError:
        raise
    except NotTensorsError as error:
        raise FileFormatError(
            f"{path} holds more than tensors ({str(error)[:60]!r}), or is no PyTorch file, and loading it could run code; "
            f"refusing. Get the safetensors version of it; or, if it is your own, load it where it was written and save its "
            f"tensors alone"
        ) from None
    except TooMuchError as error:
        raise FileFormatError(
            f"{path} has a pickle of {error}; expected one of tensors alone: get the safetensors version of it, or, "
            f"if it is your own, save its tensors alone"
        ) from None
    except NoNumbersError as error:
        raise FileFormatError(
            f"{path} holds a tensor that is {error}; expected dense ones whose numbers are all in the file: "
            f"save them so, as safetensors"
        ) from None
    except Exception as error:  # whatever the broken bytes lead zipfile and pickletools to
        reason = first_line(error)
        raise FileFormatError(f"{path} is not a whole PyTorch file ({reason})") from None
    return BinFile(path, tensors, places, content, beside)


def _zipped(path: Path, content: Content) -> _Said:
    """The format since PyTorch 1.6: an archive with ``data.pkl``, and a member for each storage."""
    members: dict[str, tuple[int, int]] = {}
    with zipfile.ZipFile(path) as archive:
        _check_no_program(path, archive.namelist())
        for one in archive.infolist():
            if one.compress_type != zipfile.ZIP_STORED or one.flag_bits & 1:
                raise ValueError(f"{one.filename} is compressed, which PyTorch's are not")
            local = content.octets(one.header_offset, one.header_offset + _HEADER)
            if local[:4] != _ZIP:
                raise ValueError(f"{one.filename} is not where the archive says")
            lengths = (int.from_bytes(local[k : k + 2], "little") for k in (26, 28))
            start = one.header_offset + _HEADER + sum(lengths)
            members[one.filename] = (start, start + one.file_size)
    pickled = [name for name in members if name.partition("/")[2] == "data.pkl"]
    if len(pickled) != 1:
        raise ValueError("there is no data.pkl")
    root = pickled[0].partition("/")[0]
    start, stop = members[pickled[0]]
    order = members.get(f"{root}/byteorder")
    if order and content.octets(order[0], min(order[1], order[0] + _HEADER)).strip() != b"little":
        raise NoNumbersError("written with the bytes of its numbers the other way round")
    within = f"{root}/data/"
    places = {
        name.removeprefix(within): at for name, at in members.items() if name.startswith(within)
    }
    if stop - start > MOST_BYTES:
        raise TooMuchError(f"more than {MOST_BYTES:,} bytes")
    return _Said(Steps().run(io.BytesIO(content.octets(start, stop))), places)


def _check_no_program(path: Path, names: Iterable[str]) -> None:
    """Refuse a model saved as a program, of which the weights are a part."""
    found = list(names)
    # PyTorch 2.6's archives of programs have no folder around their files.
    bare = len({name.partition("/")[0] for name in found}) > 1
    within = found if bare else [name.partition("/")[2] for name in found]
    if "constants.pkl" in within or any(name.startswith("code/") for name in within):
        raise FileFormatError(
            f"{path} is TorchScript, a program with its weights (torch.jit); load it by torch.jit.load where you trust it, "
            f"and torch.save its state_dict()"
        )
    if any(name.startswith(_EXPORTED) for name in within):
        raise FileFormatError(
            f"{path} is a program that torch.export saved, with its weights; load it by torch.export.load where you trust it, "
            f"and torch.save its state_dict"
        )


def _in_a_row(content: Content) -> _Said:
    """The format before: pickles one after the other, then every storage, its count before it."""
    if content.octets(0, 2) != b"\x80\x02":
        raise NotTensorsError("no magic number")
    # No pickle says how long it is: they are sought in as many bytes as all of them may have.
    stream, steps = io.BytesIO(content.octets(0, MOST_BYTES)), Steps()
    if steps.run(stream) != _MAGIC:
        raise NotTensorsError("no magic number")
    steps.run(stream)
    system = steps.run(stream)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise NoNumbersError("written with the bytes of its numbers the other way round")
    said, keys = steps.run(stream), steps.run(stream)
    if not isinstance(keys, list):
        raise ValueError("it does not list its storages")
    places: dict[str, tuple[int, int]] = {}
    start = stream.tell()
    for key in keys:
        if not isinstance(key, str) or key not in steps.storages:
            raise ValueError("it lists a storage that no tensor has")
        one = steps.storages[key]
        if int.from_bytes(content.octets(start, start + 8), "little") != one.count:
            raise ValueError(f"storage {key} has another size than the pickle says")
        start += 8
        places[key] = (start, start + one.count * SIZES[one.dtype])
        start += one.count * SIZES[one.dtype]
    return _Said(said, places)


def _tensors(path: Path, said: Any) -> tuple[dict[str, StoredTensor], tuple[str, ...]]:
    if not isinstance(said, dict):
        raise FileFormatError(f"{path} holds a {type(said).__name__}, expected tensors by name")
    try:
        weights, beside = tensors_within(said, StoredTensor)
    except FileFormatError as error:
        raise FileFormatError(f"{path} {error}") from None
    found = {name: one for name, one in weights.items() if isinstance(one, StoredTensor)}
    if unnamed := [name for name in found if not isinstance(name, str)]:
        raise FileFormatError(
            f"{path} holds a tensor under {unnamed[0]!r}, expected each under a name"
        )
    return found, beside


def _check_places(
    path: Path,
    tensors: Mapping[str, StoredTensor],
    places: Mapping[str, tuple[int, int]],
    file_size: int,
) -> None:
    """Whether every tensor's numbers are in the file, and all of them in reason."""
    total = 0
    for name, one in tensors.items():
        start, stop = places.get(one.storage.key, (0, 0))
        size = one.storage.count * SIZES[one.storage.dtype]
        if one.count and (size > stop - start or stop > file_size):
            raise FileFormatError(f"{path} is not a whole PyTorch file ({name} is cut short)")
        total += one.count * SIZES[one.storage.dtype]
    if total > _MOST_SHARED * file_size:
        raise FileFormatError(
            f"{path} of {file_size:,} bytes holds tensors of {total:,} that lie upon each other; expected "
            f"each to have numbers of its own: save them so, as safetensors"
        )
