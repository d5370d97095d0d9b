"""Tensors by name, read one at a time: one safetensors file, shards with an index, or a ``.bin``."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..errors import FileFormatError
from .locate import read_json

# Gives the path of a file by its name, or None where there is none; a local folder, or a hub's cache.
FindFile = Callable[[str], Path | None]


@dataclass(frozen=True)
class TensorStore:
    """Tensors of a checkpoint by name; nothing is read before it is asked for.

    Attributes:
        source: The folder or hub id, for messages.
        files: Tensor name to the name of the file that holds it.
        find: From a file's name to its path.
    """

    source: str
    files: Mapping[str, str]
    find: FindFile

    def get(self, name: str) -> Tensor:
        """One tensor, on the CPU, in its own dtype."""
        path = self.find(self.files[name])
        if path is None:
            raise FileFormatError(
                f"{self.source} has no file {self.files[name]}, which should hold {name}"
            )
        return _read(path, name)

    def items(self) -> Iterable[tuple[str, Tensor]]:
        """Every tensor, in the order of the names."""
        return ((name, self.get(name)) for name in sorted(self.files))


@dataclass(frozen=True)
class LocalFiles:
    """Files of a folder, by name."""

    folder: Path

    def __call__(self, name: str) -> Path | None:
        """Path of the file, or None where there is none."""
        path = self.folder / name
        return path if path.is_file() else None


def open_tensors(source: str, find: FindFile, stems: tuple[str, ...]) -> TensorStore | None:
    """The store of the first of ``STEM.safetensors``, ``STEM.safetensors.index.json``, ``STEM.bin`` … found.

    Args:
        source: For messages.
        find: Where to look.
        stems: File names without their endings, safetensors preferred for each:
            ``("model", "pytorch_model")``.

    Raises:
        FileFormatError: A file is truncated or corrupt, or an index names a file outside its folder.
    """
    for ending in (".safetensors", ".bin"):
        for stem in stems:
            single = find(stem + ending)
            if single is not None:
                return TensorStore(source, dict.fromkeys(_names(single), single.name), find)
            index = find(stem + ending + ".index.json")
            if index is not None:
                return TensorStore(source, _weight_map(index), find)
    return None


def _weight_map(index: Path) -> dict[str, str]:
    found = read_json(index, FileFormatError).get("weight_map")
    if not isinstance(found, dict) or not all(isinstance(file, str) for file in found.values()):
        raise FileFormatError(f"{index} has no weight_map from tensor names to file names")
    for file in set(found.values()):
        for path in (PurePosixPath(file), PureWindowsPath(file)):
            if path.is_absolute() or path.drive or ".." in path.parts:
                raise FileFormatError(
                    f"{index} names {file!r}, which is outside its folder; refusing to read it"
                )
    return found


def _names(path: Path) -> list[str]:
    if path.suffix == ".bin":
        return sorted(_load_bin(path))
    with _open_safetensors(path) as file:
        return list(file.keys())


def _read(path: Path, name: str) -> Tensor:
    if path.suffix == ".bin":
        tensors: Mapping[str, Tensor] = _load_bin(path)
        if name not in tensors:
            raise FileFormatError(f"{path} has no tensor {name}, though the index says so")
        return tensors[name]
    with _open_safetensors(path) as file:
        try:
            return file.get_tensor(name)
        except SafetensorError as error:
            raise FileFormatError(f"{path}: cannot read {name}: {error}") from None


def _open_safetensors(path: Path) -> Any:
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise FileFormatError(
            f"{path} is not a whole safetensors file ({error}); copy or download it again"
        ) from None


def _load_bin(path: Path) -> dict[str, Tensor]:
    status = path.stat()
    return _load_bin_once(path, status.st_mtime_ns, status.st_size, status.st_ino)


@lru_cache(maxsize=4)
def _load_bin_once(path: Path, *_version: int) -> dict[str, Tensor]:
    """A ``.bin`` file, memory-mapped where its format allows; only tensors are ever unpickled."""
    try:
        try:
            found = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except RuntimeError:  # the format before PyTorch 1.6 cannot be mapped
            found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise FileFormatError(
            f"{path} holds more than tensors (or is no PyTorch file), and loading it could run code; "
            f"refusing. Get the safetensors version of it"
        ) from None
    except Exception as error:  # torch.load raises whatever the broken bytes lead it to
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FileFormatError(f"{path} is not a whole PyTorch file ({reason})") from None
    if not isinstance(found, dict):
        raise FileFormatError(f"{path} holds a {type(found).__name__}, expected tensors by name")
    tensors = {name: tensor for name, tensor in found.items() if isinstance(tensor, Tensor)}
    if not all(isinstance(name, str) and t.layout == torch.strided for name, t in tensors.items()):
        raise FileFormatError(
            f"{path} holds sparse or unnamed tensors, expected dense ones by name"
        )
    return tensors
