"""A safetensors file opened once and mapped: its header, and each tensor where it lies in the file."""

from __future__ import annotations

import json
import math
import mmap
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from ..arrays import Tensor
from ..errors import FileFormatError
from .header_names import check_header_names

_TORCHS: Mapping[str, str] = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2",
    "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip
_NUMPYS: Mapping[str, str] = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U8": "u1", "BOOL": "?",
}  # fmt: skip
# What torch.distributed.checkpoint writes into the header of each process's file.
_OF_ONE_PROCESS = "DCP_SHARDING_INFO"


class Entry(NamedTuple):
    """What the header says of a tensor: type and shape, and the bytes of the file that it is."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int


class Version(NamedTuple):
    """What tells whether a file was written to, or another put in its place, since it was opened."""

    device: int
    inode: int
    modified: int
    size: int


@dataclass(frozen=True)
class MappedFile:
    """A safetensors file, mapped into memory; nothing is read before it is asked for.

    Attributes:
        path: Of the file.
        entries: Tensor name to what the header says of it.
        metadata: The header's own words, ``{"format": "pt"}``.
        version: Of the file when it was opened.
        pages: The whole file.
    """

    path: Path
    entries: Mapping[str, Entry]
    metadata: Mapping[str, str]
    version: Version
    pages: mmap.mmap

    @property
    def names(self) -> list[str]:
        """Of its tensors, sorted."""
        return sorted(self.entries)

    @property
    def read_from(self) -> dict[Path, Version]:
        """The file, as it was when it was opened."""
        return {self.path: self.version}

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor, from the header."""
        return self.entries[name].shape

    def get(self, name: str) -> Tensor:
        """A tensor as it lies in the file, not copied; what is written into it stays in memory.

        Raises:
            FileFormatError: The file was written to since it was opened, or its type is unknown.
        """
        import torch

        entry = self._entry(name)
        dtype = getattr(torch, _TORCHS.get(entry.dtype, ""), None)
        if dtype is None or entry.start % dtype.itemsize:
            return _by_library(self.path, name, entry)
        if 0 in entry.shape:
            return torch.empty(entry.shape, dtype=dtype)
        count = math.prod(entry.shape)
        flat = torch.frombuffer(self.pages, dtype=dtype, count=count, offset=entry.start)
        return flat.reshape(entry.shape)

    def array(self, name: str) -> NDArray[Any] | None:
        """The same as NumPy's array, without torch; None of a type that NumPy has not.

        bfloat16, which NumPy has not either, comes as float32: its bits are that one's upper half.

        Raises:
            FileFormatError: The file was written to since it was opened.
        """
        entry = self._entry(name)
        if entry.dtype == "BF16":
            halves = self._flat(entry, "<u2").astype("<u4")
            halves <<= 16
            return halves.view("<f4").reshape(entry.shape)
        dtype = _NUMPYS.get(entry.dtype)
        return None if dtype is None else self._flat(entry, dtype).reshape(entry.shape)

    def place(self, name: str) -> tuple[Path, int, str] | None:
        """File, first byte and torch's type of a tensor; None of a type that is not known."""
        entry = self.entries[name]
        dtype = _TORCHS.get(entry.dtype)
        return None if dtype is None else (self.path, entry.start, dtype)

    def _flat(self, entry: Entry, dtype: str) -> NDArray[Any]:
        count = math.prod(entry.shape)
        if not count:
            return np.empty(0, dtype)
        return np.frombuffer(self.pages, dtype=dtype, count=count, offset=entry.start)

    def _entry(self, name: str) -> Entry:
        still_as_opened(self.path, self.version)
        return self.entries[name]

    def release(self, name: str) -> None:
        """Give back the memory that a tensor's pages take; they are read anew when asked for again.

        What was written into a tensor of them is lost.
        """
        entry = self.entries[name]
        give_back(self.pages, entry.start, entry.stop)


def map_file(path: Path) -> MappedFile:
    """Open a safetensors file.

    Raises:
        FileFormatError: It is truncated, corrupt, or no safetensors file; or it has too many names.
    """
    check_header_names(path)
    try:
        version = version_of(path)
        with safe_open(path, framework="np") as checked:  # the library judges the header
            metadata = checked.metadata() or {}
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(length))
            pages = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)
    except (SafetensorError, OSError, ValueError) as error:
        raise FileFormatError(
            f"{path} is not a whole safetensors file ({error}); copy or download it again"
        ) from None
    if _OF_ONE_PROCESS in metadata and path.name.startswith(
        "shard-"
    ):  # without sharding they are whole
        raise FileFormatError(
            f"{path} has one process's part of tensors that are shared out between several ({_OF_ONE_PROCESS} in its header); expected whole "
            f"ones: save with HuggingFaceStorageWriter(…, enable_consolidation=True)"
        )
    data = 8 + length
    entries = {
        name: Entry(
            said["dtype"], tuple(said["shape"]), *(data + end for end in said["data_offsets"])
        )
        for name, said in header.items()
        if name != "__metadata__"
    }
    return MappedFile(path, entries, metadata, version, pages)


def version_of(path: Path) -> Version:
    """Of a file as it is now."""
    return version_in(path.stat())


def version_in(status: os.stat_result) -> Version:
    """Of a file of which the system says this."""
    return Version(status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)


def still_as_opened(path: Path, opened: Version) -> None:
    """Nothing, where a file was not written to since: numbers would be old and new, and where it was cut short the process ends.

    Raises:
        FileFormatError: It was.
    """
    try:
        now = version_of(path)
    except OSError:  # removed: the mapping keeps what it had
        return
    if now[:2] == opened[:2] and now != opened:
        raise FileFormatError(f"{path} was written to while it was read; load it again")


def give_back(pages: mmap.mmap, start: int, stop: int) -> None:
    """Give back the memory of these bytes of a mapped file; what was written into them is lost."""
    page = mmap.PAGESIZE
    start, stop = start // page * page, stop // page * page
    if hasattr(mmap, "MADV_DONTNEED") and stop > start:
        pages.madvise(mmap.MADV_DONTNEED, start, stop - start)


def _by_library(path: Path, name: str, entry: Entry) -> Tensor:
    try:
        with safe_open(path, framework="pt") as file:
            found: Tensor = file.get_tensor(name)
    except Exception as error:  # of a type that the library or torch does not know
        raise FileFormatError(
            f"{path}: cannot read {name} of type {entry.dtype}: {error}"
        ) from None
    if tuple(found.shape) != entry.shape:  # several numbers packed into one
        raise FileFormatError(
            f"{path}: {name} is of type {entry.dtype}, which is not read; save it as float32"
        )
    return found
