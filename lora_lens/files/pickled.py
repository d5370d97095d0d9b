"""A ``.bin`` file: tensors that PyTorch pickled, loaded without running what else may be in it."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ..arrays import Tensor
from ..errors import FileFormatError


@dataclass(frozen=True)
class BinFile:
    """A ``.bin`` file, loaded."""

    tensors: Mapping[str, Tensor]

    @property
    def metadata(self) -> Mapping[str, str]:
        """Nothing: it has no header."""
        return {}

    @property
    def names(self) -> list[str]:
        """Of its tensors, sorted."""
        return sorted(self.tensors)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor."""
        return tuple(self.tensors[name].shape)

    def get(self, name: str) -> Tensor:
        """A tensor."""
        return self.tensors[name]

    def array(self, name: str) -> None:
        """None: torch has it loaded."""

    def release(self, name: str) -> None:
        """Nothing: the whole file stays loaded."""


def load_bin(path: Path) -> BinFile:
    """Load a ``.bin`` file, memory-mapped where its format allows; only tensors are ever unpickled.

    Raises:
        FileFormatError: It is truncated or corrupt, or holds more than tensors.
    """
    status = path.stat()
    return BinFile(_load_once(path, status.st_mtime_ns, status.st_size, status.st_ino))


@lru_cache(maxsize=4)
def _load_once(path: Path, *_version: int) -> dict[str, Tensor]:
    import torch

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
    tensors = {name: tensor for name, tensor in found.items() if isinstance(tensor, torch.Tensor)}
    if not all(isinstance(name, str) and t.layout == torch.strided for name, t in tensors.items()):
        raise FileFormatError(
            f"{path} holds sparse or unnamed tensors, expected dense ones by name"
        )
    return tensors
