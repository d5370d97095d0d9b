"""Tensors by name, read one at a time: one safetensors file, shards with an index, or a ``.bin``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from ..arrays import Tensor
from ..errors import FileFormatError
from ..ledger import reads
from .by_content import LFS_POINTER, LOOKED_AT, OF_LFS, told_by_content
from .header_names import check_index_names
from .in_memory import NAME, MemoryFile, nowhere
from .json_files import read_json
from .local_files import FindFile
from .mapped import MappedFile, Version, map_file, version_of
from .names import check_names
from .pickled import BinFile, load_bin
from .prefixed import PrefixedFile


@runtime_checkable
class OpenFile(Protocol):
    """A file that is open, or what stands for one."""

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor."""

    def get(self, name: str) -> Tensor:
        """A tensor, on the CPU."""

    def array(self, name: str) -> NDArray[Any] | None:
        """A tensor as NumPy's array; None where there is none."""

    def place(self, name: str) -> tuple[Path, int, str] | None:
        """File, first byte and torch's type of a tensor that lies in a file as it is; else None."""

    def release(self, name: str) -> None:
        """Give back the memory that reading has taken."""

    @property
    def read_from(self) -> Mapping[Path, Version]:
        """The files that it stands for, each as it was when it was opened."""


# What trainers' own keys in a header begin with; other keys of parts may differ, as sums of bytes and places do.
_SETTINGS = ("ss_", "lora_")


@dataclass(frozen=True)
class TensorStore:
    """Tensors of a checkpoint by name; nothing is read before it is asked for, and no file opened twice.

    Attributes:
        source: The folder or hub id, for messages.
        files: Tensor name to the name of the file that holds it.
        find: From a file's name to its path.
        opened: The files opened so far, by name.
        prefixes: File to what the names of its tensors begin with here, and not in the file.
        indices: The files that say which file holds which tensor, each as it was when it was read.
    """

    source: str
    files: Mapping[str, str]
    find: FindFile
    opened: dict[str, OpenFile] = field(default_factory=dict, repr=False, compare=False)
    prefixes: Mapping[str, str] = field(default_factory=dict)
    indices: Mapping[Path, Version] = field(default_factory=dict, repr=False, compare=False)

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the headers of all files say beside the tensors; of a ``.bin``, nothing.

        Raises:
            FileFormatError: Two say different things of one of the settings that s may be made by.
        """
        found: dict[str, str] = {}
        for name, file in self._all_opened().items():
            header: Mapping[str, str] = getattr(file, "metadata", {})
            for key, text in header.items():
                if found.setdefault(key, text) != text and key.startswith(_SETTINGS):
                    raise FileFormatError(
                        f"{self.source}: {key} of {name}'s header is another than of a part before it; expected parts of one file"
                    )
        return found

    @property
    def beside(self) -> tuple[str, ...]:
        """Tensors of all files that are none of these: in other dictionaries of a ``.bin``."""
        opened = self._all_opened().values()
        return tuple(name for file in opened for name in getattr(file, "beside", ()))

    @property
    def read_from(self) -> dict[Path, Version]:
        """Indices, then every file as it was when it was opened, in the names' order; one that is not open, as it is now."""
        found = dict(self.indices)
        for name in sorted(set(self.files.values())):
            if opened := self.opened.get(name):
                found |= opened.read_from
            elif path := self.find(name):
                found[path] = version_of(path)
        return found

    def get(self, name: str) -> Tensor:
        """One tensor, on the CPU, in its own dtype; not to be written into."""
        return self._in(name).get(name)

    def rows(self, name: str, start: int, stop: int) -> Tensor:
        """Some of one tensor's rows; those beside them are not read where they lie in a file as they are."""
        file = self._in(name)
        read: Callable[[str, int, int], Tensor] | None = getattr(file, "rows", None)
        return file.get(name)[start:stop] if read is None else read(name, start, stop)

    def array(self, name: str) -> NDArray[Any] | None:
        """One tensor as NumPy's array, without torch; None where its file or its type has none."""
        return self._in(name).array(name)

    def shape(self, name: str) -> tuple[int, ...]:
        """One tensor's shape, without reading it."""
        return self._in(name).shape(name)

    def place(self, name: str) -> tuple[Path, int, str] | None:
        """File, first byte and torch's type of a tensor that lies in a file as it is; else None."""
        return self._in(name).place(name)

    def release(self, name: str) -> None:
        """Give back the memory that reading a tensor has taken; it can be asked for again."""
        self._in(name).release(name)

    def _in(self, name: str) -> OpenFile:
        """The file that holds a tensor."""
        file = self.files[name]
        found = self._opened(file, name)
        try:
            found.shape(name)
        except KeyError:
            raise FileFormatError(
                f"{file} of {self.source} has no tensor {name}, though the index says so"
            ) from None
        return found

    def _all_opened(self) -> dict[str, OpenFile]:
        """Every file, by its name, in the names' order; of a base of many parts each header would be read."""
        holds = {file: name for name, file in self.files.items()}
        return {file: self._opened(file, holds[file]) for file in sorted(holds)}

    def _opened(self, file: str, name: str) -> OpenFile:
        """The file, opened for the first time where it has not been; `name` is a tensor of it."""
        if file not in self.opened:
            path = self.find(file)
            if path is None:
                raise FileFormatError(f"{self.source} has no file {file}, which should hold {name}")
            opened, prefix = _open(path), self.prefixes.get(file)
            self.opened[file] = PrefixedFile(opened, prefix) if prefix else opened
        return self.opened[file]

    def __getstate__(self) -> dict[str, Any]:
        # An open file cannot be sent to another process; it is opened there.
        kept = {name: one for name, one in self.opened.items() if getattr(one, "stays", False)}
        return {**vars(self), "opened": kept}


def in_memory(source: str, tensors: Mapping[str, Any]) -> TensorStore:
    """The store of tensors that are in no file: each is given as it is when it is asked for."""
    return TensorStore(source, dict.fromkeys(tensors, NAME), nowhere, {NAME: MemoryFile(tensors)})


def open_tensors(
    source: str,
    find: FindFile,
    stems: tuple[str, ...],
    endings: tuple[str, ...] = (".safetensors", ".bin"),
) -> TensorStore | None:
    """The store of the first of ``STEM.safetensors``, ``STEM.safetensors.index.json``, ``STEM.bin`` … found.

    Args:
        source: For messages.
        find: Where to look.
        stems: File names without their endings, the first preferred of one ending: ``("model", "pytorch_model")``.
        endings: Of the files, the first preferred whatever the stem; all but safetensors are PyTorch's.

    Raises:
        FileFormatError: A file is truncated or corrupt, or an index names a file outside its folder.
    """
    for ending in endings:
        for stem in stems:
            name = stem + ending
            if (single := find(name)) is not None:
                return open_file(source, single, name, find)
            if (index := find(_index_of(stem, ending))) is not None:
                return _indexed(source, index, find)
    return None


def open_file(source: str, path: Path, name: str, find: FindFile) -> TensorStore:
    """The store of one file.

    Args:
        source, find: As in `open_tensors`.
        path: Of the file.
        name: What `find` knows it by.

    Raises:
        FileFormatError: It is truncated or corrupt.
    """
    opened = _open(path)
    check_names(path, [*opened.names, *getattr(opened, "beside", ())])
    return TensorStore(source, dict.fromkeys(opened.names, name), find, {name: opened})


def open_named(source: str, find: FindFile, name: str) -> TensorStore:
    """The store of a file that a configuration names: one safetensors file, or an index of several.

    Args:
        source, find: As in `open_tensors`.
        name: Of the file.

    Raises:
        FileFormatError: It is neither, is not there, or is outside the folder; or it is truncated or corrupt.
    """
    path = None if _is_outside(name) else find(name)
    if path is None or not name.endswith((".safetensors", ".safetensors.index.json")):
        raise FileFormatError(
            f"{source} names {name!r} for its weights, expected a .safetensors file or index in its folder: copy that there"
        )
    if name.endswith(".json"):
        return _indexed(source, path, find)
    return open_file(source, path, name, find)


def _is_outside(file: str) -> bool:
    """Whether a name that somebody wrote leads out of the folder that it is sought in, on any system."""
    paths = (PurePosixPath(file), PureWindowsPath(file))
    return any(path.is_absolute() or bool(path.drive) or ".." in path.parts for path in paths)


def _index_of(stem: str, ending: str) -> str:
    """``model.safetensors.index.json``; of a variant, ``model.safetensors.index.fp16.json``."""
    name, _, variant = stem.partition(".")
    return f"{name}{ending}.index.{f'{variant}.' if variant else ''}json"


def _indexed(source: str, index: Path, find: FindFile) -> TensorStore:
    """The store of the files that an index names."""
    reads(index)
    version = version_of(index)
    return TensorStore(source, _weight_map(index), find, indices={index: version})


def _weight_map(index: Path) -> dict[str, str]:
    check_index_names(index)
    found = read_json(index, FileFormatError).get("weight_map")
    if not isinstance(found, dict) or not all(isinstance(file, str) for file in found.values()):
        raise FileFormatError(f"{index} has no weight_map from tensor names to file names")
    check_names(index, [*found, *found.values()])
    for file in set(found.values()):
        if _is_outside(file):
            raise FileFormatError(
                f"{index} names {file!r}, which is outside its folder; refusing to read it"
            )
    return found


def _open(path: Path) -> MappedFile | BinFile:
    reads(path)
    with path.open("rb") as stream:
        first = stream.read(LOOKED_AT)
    if first.startswith(LFS_POINTER):
        raise FileFormatError(f"{path} is {OF_LFS}")
    try:
        return map_file(path) if path.suffix == ".safetensors" else load_bin(path)
    except FileFormatError:
        what = told_by_content(first, path.suffix)
        if what is None:
            raise
        raise FileFormatError(f"{path} is {what}") from None
