"""Whether a report can afford the spectra of W0: a dense SVD a layer, three where ΔW has no low rank."""

from __future__ import annotations

from dataclasses import replace

from ..bases.weights import BaseWeights
from .asked import Asked
from .module_sizes import ModuleSizes

# Σ over a module's layers of rows·columns·min: 24 layers of 1024 are 2.6e10, some 20 seconds on one core, or three times that.
_MOST = 1 << 36


def with_spectra_of_w0(
    asked: Asked, base: BaseWeights | None, shape: ModuleSizes
) -> tuple[Asked, str]:
    """The question with ``beside_w0`` as it can be afforded, and why not where it cannot.

    Without a base the reason has been said of all that needs it.
    """
    if "beside_w0" not in asked.options:
        return asked, ""
    rows, columns = shape.out_features, shape.in_features
    cost = shape.layers * rows * columns * min(rows, columns)
    dear = base is not None and cost > _MOST
    reads = base is not None and not dear
    options = asked.options | {"beside_w0": reads, "base": base if reads else None}
    why = (
        f"{shape.layers} W0 of {rows}x{columns} would take long; `lora-lens spectrum --w0 --module "
        f"{shape.module}` has them"
    )
    return replace(asked, options=options), why if dear else ""
