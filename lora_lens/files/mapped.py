"""A safetensors file opened once: its header, and each tensor as its bytes lie in the file."""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
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
# Bytes of a tensor up to which it is copied; at 256 MiB a copy takes a tenth of a second.
_MOST_COPIED = 2**28
_LINE = 64  # bytes of a processor's cache


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


class Content:
    """The bytes of a file that stays open: of a tensor in memory of one's own, or mapped where they are very many.

    Whoever reads a mapped file that was cut short since is ended by the system (SIGBUS), and nothing here can catch that; where
    bytes are copied it is an error.

    Attributes:
        path: Of the file.
        version: Of the file when it was opened.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self.path = path
        self.version = version_in(os.fstat(self._descriptor))

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        # At the process's end `os` may be gone before this is.
        if (opened := self.__dict__.pop("_descriptor", None)) is not None:
            close(opened)

    @cached_property
    def pages(self) -> mmap.mmap:
        """The whole file, mapped."""
        try:
            return mmap.mmap(self._descriptor, self.version.size, access=mmap.ACCESS_COPY)
        except (OSError, ValueError) as error:
            raise FileFormatError(f"{self.path} cannot be mapped into memory ({error})") from None

    def check(self) -> None:
        """Nothing, where the file was not written to since: numbers would be old and new. One in its place is another file.

        Raises:
            FileFormatError: It was.
        """
        if version_in(os.fstat(self._descriptor)) != self.version:
            raise FileFormatError(f"{self.path} was written to while it was read; load it again")

    def octets(self, start: int, stop: int) -> bytes:
        """Bytes of the file, fewer where it ends before."""
        if not hasattr(os, "pread"):  # on Windows, where nobody cuts a mapped file
            return self.pages[start:stop]
        return os.pread(self._descriptor, max(stop - start, 0), start)

    def numbers(self, start: int, stop: int, size: int) -> NDArray[np.uint8]:
        """Bytes of a tensor, which begin at a multiple of `size`; not in the file when they are written to.

        Raises:
            FileFormatError: The file was written to since it was opened.
        """
        self.check()
        odd = start % size
        if not hasattr(os, "preadv") or (stop - start > _MOST_COPIED and not odd):
            mapped = np.frombuffer(self.pages, np.uint8, stop - start, start)
            return mapped.copy() if odd else mapped
        # As far from a line's beginning as it was in the mapped file: sums of the same numbers are the same.
        memory = np.empty(stop - start + _LINE, np.uint8)
        first = ((0 if odd else start) - memory.ctypes.data) % _LINE
        found = memory[first : first + stop - start]
        self._fill(found, start)
        self.check()
        return found

    def _fill(self, found: NDArray[np.uint8], start: int) -> None:
        done = 0
        while done < len(found):
            try:
                more = os.preadv(self._descriptor, [found[done:].data], start + done)
            except OSError as error:
                raise FileFormatError(f"{self.path} could not be read ({error.strerror})") from None
            if not more:
                raise FileFormatError(
                    f"{self.path} was cut short while it was read; copy or download it again"
                )
            done += more

    def release(self, start: int, stop: int) -> None:
        """Give back the memory that mapped bytes take; what was written into them is lost."""
        page = mmap.PAGESIZE
        start, stop = start // page * page, stop // page * page
        if "pages" in vars(self) and hasattr(mmap, "MADV_DONTNEED") and stop > start:
            self.pages.madvise(mmap.MADV_DONTNEED, start, stop - start)


@dataclass(frozen=True)
class MappedFile:
    """A safetensors file; nothing but its header is read before it is asked for.

    Attributes:
        path: Of the file.
        entries: Tensor name to what the header says of it.
        metadata: The header's own words, ``{"format": "pt"}``.
        content: Its bytes.
    """

    path: Path
    entries: Mapping[str, Entry]
    metadata: Mapping[str, str]
    content: Content

    @property
    def names(self) -> list[str]:
        """Of its tensors, sorted."""
        return sorted(self.entries)

    @property
    def read_from(self) -> dict[Path, Version]:
        """The file, as it was when it was opened."""
        return {self.path: self.content.version}

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor, from the header."""
        return self.entries[name].shape

    def get(self, name: str) -> Tensor:
        """A tensor as it lies in the file; what is written into it stays in memory.

        Raises:
            FileFormatError: The file was written to or cut short since it was opened, or its type is unknown.
        """
        return self._of_entry(name, self.entries[name])

    def rows(self, name: str, start: int, stop: int) -> Tensor:
        """Some of a tensor's rows, without those beside them."""
        whole = self.entries[name]
        if whole.dtype not in _TORCHS:
            return self.get(name)[start:stop]
        start, stop, _ = slice(start, stop).indices(whole.shape[0])
        count, each = max(stop - start, 0), (whole.stop - whole.start) // max(whole.shape[0], 1)
        begin = whole.start + start * each
        some = Entry(whole.dtype, (count, *whole.shape[1:]), begin, begin + count * each)
        return self._of_entry(name, some)

    def _of_entry(self, name: str, entry: Entry) -> Tensor:
        import torch

        dtype = getattr(torch, _TORCHS.get(entry.dtype, ""), None)
        if dtype is None:
            self.content.check()
            return _by_library(self.path, name, entry)
        if 0 in entry.shape:
            return torch.empty(entry.shape, dtype=dtype)
        found = self.content.numbers(entry.start, entry.stop, dtype.itemsize)
        return torch.frombuffer(found, dtype=dtype).reshape(entry.shape)

    def array(self, name: str) -> NDArray[Any] | None:
        """The same as NumPy's array, without torch; None of a type that NumPy has not.

        bfloat16, which NumPy has not either, comes as float32: its bits are that one's upper half.

        Raises:
            FileFormatError: The file was written to or cut short since it was opened.
        """
        entry = self.entries[name]
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
        if 0 in entry.shape:
            return np.empty(0, dtype)
        size = np.dtype(dtype).itemsize
        return self.content.numbers(entry.start, entry.stop, size).view(dtype)

    def release(self, name: str) -> None:
        """Give back the memory that a tensor takes which is mapped; it is read anew when asked for again.

        What was written into it is lost.
        """
        entry = self.entries[name]
        self.content.release(entry.start, entry.stop)


def map_file(path: Path) -> MappedFile:
    """Open a safetensors file.

    Raises:
        FileFormatError: It is truncated, corrupt, or no safetensors file; or it has too many names.
    """
    check_header_names(path)
    try:
        content = Content(path)
        with safe_open(path, framework="np") as checked:  # the library judges the header
            metadata = checked.metadata() or {}
        length = int.from_bytes(content.octets(0, 8), "little")
        header = json.loads(content.octets(8, 8 + length))
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
    return MappedFile(path, entries, metadata, content)


def version_of(path: Path) -> Version:
    """Of a file as it is now."""
    return version_in(path.stat())


def version_in(status: os.stat_result) -> Version:
    """Of a file of which the system says this."""
    return Version(status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)


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
