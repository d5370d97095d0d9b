"""Whose conversions are asked about: a trained adapter's, or those of untrained factors on a base."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ...adapter import Adapter, ModuleFactors
from ...bases.of_adapter import open_base_of
from ...bases.weights import BaseWeights
from ...core.conversions.conversion import ConventionChoice
from ...core.conversions.outliers import relative_norms
from ...errors import LensError
from ...subspaces.convention import SettledConvention, convention_of_shape, settle_convention
from ...subspaces.selection import select_module
from ...subspaces.untrained import as_untrained, untrained_factors

_RANK = 8  # of untrained factors, where none is given


@dataclass(frozen=True)
class Asked:
    """Factors, their W0, and the convention that makes conversions of them.

    Attributes:
        adapter: Whose factors they are; None for untrained ones.
        weights: The base.
        factors: Of one module.
        convention: Settled.
    """

    adapter: Adapter | None
    weights: BaseWeights
    factors: ModuleFactors
    convention: SettledConvention

    def relative_norms(self, *, of_rows: bool) -> Float[Tensor, "layer d"]:
        """Norms of W0's columns (or rows) beside their layer's median, read layer by layer.

        Raises:
            LensError: Over half of a layer's columns are empty.
        """
        found = []
        for position, layer in enumerate(self.factors.layers):
            w0 = self.weights.w0(self.factors, position)
            relative = relative_norms(w0.mT if of_rows else w0)
            self.weights.release(self.factors.names[position])
            if not bool(relative.isfinite().all()):
                what = "rows" if of_rows else "columns"
                raise LensError(
                    f"over half of the {what} of W0 of {self.factors.module} are empty in layer "
                    f"{layer}; no coordinate can stand apart from those"
                )
            found.append(relative)
        return torch.stack(found)


def asked_of(
    source: Adapter | BaseWeights,
    module: str,
    untrained: int | None,
    convention: ConventionChoice,
    base: BaseWeights | str | Path | None,
    seed: int,
) -> Asked:
    """What `outliers` is asked about; see there for the arguments and errors."""
    generator = torch.Generator().manual_seed(seed)
    if isinstance(source, BaseWeights):
        rank = _RANK if untrained is None else untrained
        factors = untrained_factors(source, module, rank, generator=generator)
        return Asked(None, source, factors, convention_of_shape(convention, factors))
    factors = select_module(source, module)
    settled = settle_convention(convention, factors, source)
    weights = open_base_of(source, base)
    if untrained is None:
        return Asked(source, weights, factors, settled)
    return Asked(None, weights, as_untrained(factors, untrained, generator=generator), settled)
