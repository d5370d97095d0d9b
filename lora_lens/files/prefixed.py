"""A file whose tensors are known by longer names than it has: those of a part of something larger."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..arrays import Tensor
from .mapped import MappedFile, Version
from .pickled import BinFile


@dataclass(frozen=True)
class PrefixedFile:
    """A file; every name that is asked for begins with `prefix`, which the file's own have not."""

    file: MappedFile | BinFile
    prefix: str

    @property
    def read_from(self) -> dict[Path, Version]:
        """The file, as it was when it was opened."""
        return self.file.read_from

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor."""
        return self.file.shape(name.removeprefix(self.prefix))

    def get(self, name: str) -> Tensor:
        """A tensor."""
        return self.file.get(name.removeprefix(self.prefix))

    def rows(self, name: str, start: int, stop: int) -> Tensor:
        """Some of a tensor's rows."""
        return self.file.rows(name.removeprefix(self.prefix), start, stop)

    def array(self, name: str) -> NDArray[Any] | None:
        """A tensor as NumPy's array; None where the file has none."""
        return self.file.array(name.removeprefix(self.prefix))

    def place(self, name: str) -> tuple[Path, int, str] | None:
        """File, first byte and torch's type of a tensor; None where it has no place of its own."""
        return self.file.place(name.removeprefix(self.prefix))

    def release(self, name: str) -> None:
        """Give back the memory that reading a tensor has taken."""
        self.file.release(name.removeprefix(self.prefix))
