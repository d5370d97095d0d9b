"""Of which tensors, and which of their rows, W0 of an image model's module is made."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ..files.tensors import TensorStore
from .image_names import ImageNames
from .not_found import why_no_image_weight
from .pieces import Piece


@dataclass(frozen=True)
class ImagePieces:
    """What W0 of a module is made of.

    Attributes:
        source: Of the base.
        tensors: The base's.
    """

    source: str
    tensors: TensorStore

    @cached_property
    def _names(self) -> ImageNames:
        return ImageNames(self.tensors.files, self.tensors.shape)

    def find(self, path: str, expected: tuple[int, int] | None = None) -> list[tuple[Piece, ...]]:  # noqa: ARG002
        """Every W0 that the module at `path` can mean; names alone tell, whatever shape is expected."""
        return self._names.find(path)

    def why_none(self, path: str) -> str:
        """Why there is no W0 of the module at `path`, and what to do about it."""
        return why_no_image_weight(path, self._names.parts, self.source)
