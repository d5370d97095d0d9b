"""`lora-lens outliers`: the coordinates that make layers alike before any training."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...terminal.options import (
    Base,
    ConventionChoice,
    ConversionConvention,
    Device,
    Dtype,
    DtypeName,
    Explain,
    Json,
    Memory,
    Module,
    Out,
    Seed,
)
from . import QUESTION

if TYPE_CHECKING:
    from .result import OutliersResult


class Factor(StrEnum):
    """Whose conversion matrices."""

    A = "A"
    B = "B"


def run(
    adapter: Annotated[
        Path,
        typer.Argument(
            metavar="ADAPTER_OR_BASE",
            show_default=False,
            help="An adapter, as for the other commands; or a base model alone, its folder or hub id, whose "
            "factors are then untrained.",
        ),
    ],
    module: Module = "value",
    untrained: Annotated[
        int | None,
        typer.Option(
            "--untrained",
            metavar="RANK",
            show_default="the adapter's own factors; 8 for a base alone",
            help="Take untrained Gaussian factors of this rank.",
        ),
    ] = None,
    matrix: Annotated[Factor, typer.Option("--matrix", help="Whose conversions.")] = Factor.B,
    convention: ConversionConvention = ConventionChoice.auto,
    draws: Annotated[
        int, typer.Option("--draws", min=2, help="Draws of random factors through the same W0.")
    ] = 200,
    seed: Seed = 0,
    base: Base = None,
    memory: Memory = None,
    device: Device = "auto",
    dtype: Dtype = DtypeName.float64,
    explain: Explain = False,
    as_json: Json = False,
    out: Out = None,
) -> None:
    """Which coordinates make conversions alike across layers, whatever was trained?

    A coordinate whose column of W0 is nearly empty in many layers is magnified by W0⁻¹ in all of them, so
    that even untrained factors come out alike. Those that stand apart from all others are named, with the
    share of their unit vectors that conversions hold, and of φ that hangs on them.

    Example: lora-lens outliers sentence-transformers/all-MiniLM-L6-v2 --module value --untrained 8
    """
    from ...terminal.printing import progress, report

    def make() -> OutliersResult:
        from .analysis import outliers

        with progress(f"outliers of {module}", as_json=as_json, counted=False) as advance:
            return outliers(
                adapter,
                module,
                untrained=untrained,
                base=base,
                matrix=matrix.value,
                convention=convention.value,
                draws=draws,
                seed=seed,
                device=device,
                dtype=dtype.value,
                memory=memory,
                progress=advance,
            )

    report(make, QUESTION, as_json=as_json, out=out, explain=explain)
