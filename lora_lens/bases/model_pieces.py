"""Of which tensors W0 of a transformers model's module is made: its own, an expert's, or those that it is tied to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product

from ..files.tensors import TensorStore
from .candidates import fitting
from .configuration import BaseConfiguration
from .expert_weights import is_held, why_not_held
from .experts import halves_of
from .names import BaseNames
from .not_found import why_no_weight
from .pieces import Piece, Pieces
from .quantised.unquantised import instead
from .tied import tied_to
from .towers import of_tower


@dataclass(frozen=True)
class ModelPieces:
    """What W0 of a module is made of.

    Attributes:
        source: Of the base.
        tensors: The base's.
        configuration: The base's.
        model_class: Of the model that the adapter was trained on, where it says it.
        named: Whether the base is the one that the adapter names.
    """

    source: str
    tensors: TensorStore
    configuration: BaseConfiguration
    model_class: str | None
    named: bool

    @cached_property
    def _names(self) -> BaseNames:
        return BaseNames(self.tensors.files, self.configuration.settings)

    def find(self, path: str, expected: tuple[int, int] | None = None) -> list[Pieces]:
        """Every W0 that the module at `path` can mean; it is right where this is one.

        The module's own tensor comes before an expert's two halves, these before a slice of a stack.

        Args:
            path: Of the module, as the base calls it.
            expected: Its (out, in), where it is known.
        """
        own = self._own(path)
        if not own and (of_expert := self._of_expert(path)):
            return of_expert
        names = own or self._tied(path)
        if expected is not None:
            names = fitting(names, self.tensors, expected, own=self.named)
        return [(Piece(name),) for name in names]

    def is_tied(self, path: str) -> bool:
        """Whether W0 of the module at `path` is that of another, a head's of the embeddings."""
        return not self._names.find(path) and bool(self._tied(path))

    def why_none(self, path: str) -> str:
        """Why there is no W0 of the module at `path`, and what to do about it."""
        if found := self._names.slice_of(path):
            return why_not_held(found, self.tensors, self.source)
        settings = self.configuration.settings
        said = settings.get("quantization_config")
        by = said.get("quant_method") if isinstance(said, Mapping) else None
        way_out = instead(self.source, settings, self.tensors.find)
        return why_no_weight(
            path, self.tensors.files, self.source,
            joined=self._names.joined(path), model_type=self.configuration.model_type,
            quantised=f"{by}, whose numbers are not unpacked here; {way_out}" if isinstance(by, str) else None,
        )  # fmt: skip

    def _own(self, path: str) -> list[str]:
        fused = f"{path}.in_proj_weight"  # torch's own attention, which is one module
        found = [fused] if fused in self.tensors.files else self._names.find(path)
        return of_tower(found, self.model_class)

    def _of_expert(self, path: str) -> list[Pieces]:
        found = [self._own(half) for half in halves_of(path) or ()]
        if found and all(found):
            return [tuple(map(Piece, names)) for names in product(*found)]
        one = self._names.slice_of(path)
        return [(one,)] if one and is_held(one, self.tensors) else []

    def _tied(self, path: str) -> list[str]:
        return tied_to(path, self.tensors.files, self.configuration.settings)
