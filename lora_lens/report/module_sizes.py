"""What a report knows of a module before it asks anything: sizes, for which no factor is read."""

from __future__ import annotations

from typing import NamedTuple

from ..adapter import Adapter
from ..subspaces.dimensions import leading_of_dense
from ..subspaces.selection import select_dense, select_name, with_dense


class ModuleSizes(NamedTuple):
    """A module of an adapter.

    Attributes:
        module: As the adapter calls it.
        layers: How many.
        out_features, in_features: Of W0.
        ranks: Of each layer; where it was trained in full, how many directions lead by default.
        in_full: Whether it was trained in full, and has no A and B.
    """

    module: str
    layers: int
    out_features: int
    in_features: int
    ranks: tuple[int, ...]
    in_full: bool


def sizes_of(adapter: Adapter, module: str) -> ModuleSizes:
    """That of the module that `module` names, with factors or trained in full.

    Example:
        >>> import lora_lens as ll
        >>> sizes_of(ll.load_adapter(ll.demo_adapter("lora")), "value")
        ModuleSizes(module='value', layers=6, out_features=384, in_features=384, ranks=(8, 8, 8, 8, 8, 8), in_full=False)
    """
    in_full = select_dense(adapter, module) is not None
    having = with_dense(adapter, module)
    found = list(having.each_layer([select_name(having, module, in_layers=False)]))
    sizes = found[0].out_features, found[0].in_features
    ranks = tuple(leading_of_dense(min(sizes)) if in_full else one.rank for one in found)
    return ModuleSizes(found[0].module, len(found), *sizes, ranks, in_full)
