"""The module that is followed, as one checkpoint has it: its factors, or its dense ΔW where it was trained in full."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from torch import Tensor

from ...adapter import Adapter, LayerFactors, ModuleFactors
from ...core.numbers.either import as_torch
from ...subspaces.dimensions import leading_of_dense
from ...subspaces.selection import select_dense, select_module, select_name, with_dense


class Followed(NamedTuple):
    """A module of one checkpoint.

    Attributes:
        module, layers, out_features, in_features: As of `ModuleFactors`.
        factors: A and B of all layers; None where it was trained in full.
        dense: Of what was trained in full the layers, which are read one at a time.
    """

    module: str
    layers: tuple[int, ...]
    out_features: int
    in_features: int
    factors: ModuleFactors | None = None
    dense: tuple[LayerFactors, ...] = ()

    @property
    def in_full(self) -> bool:
        """Whether there is a ΔW alone, and no A and B."""
        return self.factors is None

    @property
    def rank(self) -> int:
        """i = j where nobody says another: the smallest rank; of a dense ΔW, as many directions as lead by default."""
        if self.factors is not None:
            return min(self.factors.ranks)
        return leading_of_dense(min(self.out_features, self.in_features))

    def numbers(self) -> Iterator[Tensor]:
        """All that it is of."""
        if self.factors is not None:
            yield from (self.factors.a, self.factors.b)
        for one in self.dense:
            yield from (as_torch(x, "cpu") for x in one.read())
            one.release()

    def of_layers(self, layers: Collection[int]) -> Followed:
        """What was trained in full, in some of its layers."""
        return self._replace(
            layers=tuple(layer for layer in self.layers if layer in layers),
            dense=tuple(one for one in self.dense if one.layer in layers),
        )


def followed(adapter: Adapter, module: str) -> Followed:
    """The module that `module` names, of which what was trained in full is not read yet.

    Raises:
        ModuleLookupError: There is none; or it is in no numbered layer.
    """
    full = select_dense(adapter, module)
    if full is None:
        found = select_module(adapter, module)
        sizes = found.out_features, found.in_features
        return Followed(found.module, found.layers, *sizes, factors=found)
    dense = with_dense(adapter, full)
    layers = tuple(dense.each_layer([select_name(dense, full)]))
    numbers = tuple(one.layer for one in layers if one.layer is not None)
    sizes = layers[0].out_features, layers[0].in_features
    return Followed(layers[0].module, numbers, *sizes, dense=layers)
