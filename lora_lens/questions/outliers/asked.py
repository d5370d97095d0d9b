"""Whose conversions are asked about: a trained adapter's, or those of untrained factors on a base."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from ...adapter import Adapter, ModuleFactors
from ...bases.opening import open_base, open_base_of
from ...bases.weights import BaseWeights
from ...core.conversions.conversion import ConventionChoice
from ...core.conversions.outliers import relative_norms
from ...errors import AdapterError, BaseModelError, LensError
from ...files.locate import is_hub_id, user_path
from ...files.peft_names import CONFIG
from ...files.revisions import split_revision
from ...formats.loading import Model, adapter_of
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


def source_of(
    given: Adapter | BaseWeights | str | Path | Model, base: BaseWeights | str | Path | None
) -> Adapter | BaseWeights:
    """The adapter, or the base model by itself.

    Raises:
        LensError: It is neither, or a base model, and another is given beside it.
    """
    found = given if isinstance(given, BaseWeights) else _found(given, base)
    if isinstance(found, BaseWeights) and base is not None:
        raise LensError(
            f"{found.source} is a base model by itself, beside which another ({getattr(base, 'source', base)}: --base, base) does "
            f"nothing: leave that out"
        )
    return found


def _found(
    given: Adapter | str | Path | Model, base: BaseWeights | str | Path | None
) -> Adapter | BaseWeights:
    if not isinstance(given, str | Path):
        return adapter_of(given, base)
    path = user_path(given)
    # pathlib raises for a name that is too long, which is neither.
    is_file = os.path.isfile(path)  # noqa: PTH113
    if not is_file and not os.path.exists(path / CONFIG):  # noqa: PTH110
        try:
            return open_base(given)  # on this machine: asks no hub what it is
        except BaseModelError:
            pass
    try:
        return adapter_of(given, base)
    except AdapterError as error:
        hub = not is_file and is_hub_id(split_revision(str(given))[0])
        try:
            if hub or is_file:
                return open_base(given, download=hub)
        except BaseModelError:
            pass
        if hub:
            raise
        raise AdapterError(f"{error}; nor is it a base model with its weights") from None


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
