"""`lora-lens grid`: φ(i, j) of every i and j, as in Figures 3 and 4 of Hu et al. 2022."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...terminal.options import (
    Base,
    Device,
    Dtype,
    DtypeName,
    Explain,
    Json,
    Module,
    One,
    Out,
    Seed,
)
from . import QUESTION

if TYPE_CHECKING:
    from .result import RankGrids


class Kind(StrEnum):
    """Which matrix, and which of its singular vectors."""

    a = "A"
    b = "B"
    delta_left = "delta-left"
    delta_right = "delta-right"


def run(
    one: One,
    other: Annotated[
        Path | None,
        typer.Argument(
            metavar="OTHER",
            show_default=False,
            help="Another, of any rank or seed: folder, file or hub id. Without it, W0 is compared with ΔW.",
        ),
    ] = None,
    module: Module = "value",
    layer: Annotated[
        list[int] | None,
        typer.Option("--layer", "-l", show_default="all", help="Only this layer; may be repeated."),
    ] = None,
    matrix: Annotated[
        list[Kind] | None,
        typer.Option(
            "--matrix",
            show_default="all; delta-left and delta-right without OTHER",
            help="Only this one; may be repeated. A: right singular vectors of A; B: left ones of B.",
        ),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(
            "--top",
            min=1,
            show_default="64",
            help="Largest i over W0's singular vectors, or those of a ΔW that was trained in full.",
        ),
    ] = None,
    draws: Annotated[
        int,
        typer.Option(
            "--draws", min=0, help="Draws of unrelated subspaces, for the p of φ(r1, r2)."
        ),
    ] = 1000,
    seed: Seed = 0,
    base: Base = None,
    device: Device = "auto",
    dtype: Dtype = DtypeName.float64,
    explain: Explain = False,
    as_json: Json = False,
    out: Out = None,
) -> None:
    """How many top directions are shared? φ(i, j) for every i and j, layer by layer.

    Of two adapters, i counts the first's singular vectors and j the second's (Hu et al. 2022,
    Figures 3 and 4). Of one adapter, i counts W0's and j ΔW's: how much of ΔW's top directions lies
    in W0's top i. With the principal angles, and what unrelated subspaces give. The computation of sections
    7.2 and 7.3 of the LoRA paper.

    A model that was tuned in full is taken as either, beside the one that it was tuned from, --base: --top of ΔW's directions.

    Example: lora-lens grid rank8/ rank64/ --module value --layer 3
    """
    from ...terminal.printing import report

    def make() -> RankGrids:
        from ...formats import load_adapter
        from .analysis import rank_grids

        return rank_grids(
            load_adapter(one, base),
            load_adapter(other, base) if other else None,
            module,
            layers=layer or None,
            matrices=[kind.value for kind in matrix] if matrix else None,
            top=top,
            draws=draws,
            seed=seed,
            device=device,
            dtype=dtype.value,
        )

    report(make, QUESTION, as_json=as_json, out=out, explain=explain)
