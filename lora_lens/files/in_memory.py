"""Tensors that are in memory already, by name, as if they were in a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..arrays import Tensor, as_array
from .mapped import Version

NAME = "memory"


@dataclass(frozen=True)
class MemoryFile:
    """Tensors of a model that may go on being trained: each is given as it is when it is asked for."""

    tensors: Mapping[str, Any]
    stays = True  # where the store is sent to another process

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor."""
        return tuple(self.tensors[name].shape)

    def get(self, name: str) -> Tensor:
        """A tensor, on the CPU; not copied if it is there."""
        return self.tensors[name].detach().cpu()

    def array(self, name: str) -> NDArray[Any] | None:
        """A tensor as NumPy's array, bfloat16 as float32; None where NumPy has no such type."""
        return as_array(self.tensors[name])

    def place(self, name: str) -> None:
        """None: it is in no file."""

    def release(self, name: str) -> None:
        """Nothing: they are not this one's."""

    @property
    def read_from(self) -> Mapping[Path, Version]:
        """No file."""
        return {}


def nowhere(_name: str) -> Path | None:
    """No file of that name: there is none."""
    return None
