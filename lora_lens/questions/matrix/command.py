"""`lora-lens matrix`: any number of adapters, pair by pair."""

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
    Out,
    Seed,
    Side,
)
from . import QUESTION

if TYPE_CHECKING:
    from .result import MatrixResult


class FactorName(StrEnum):
    """Which matrix of an adapter."""

    A = "A"
    B = "B"
    delta = "delta"


def run(
    adapters: Annotated[
        list[Path],
        typer.Argument(
            metavar="ADAPTER...",
            show_default=False,
            help="Adapters (folders, files, hub ids), or folders that hold such at any depth.",
        ),
    ],
    module: Module = "value",
    rank: Annotated[
        int | None,
        typer.Option(
            "--rank", "-r", show_default="each adapter's own", help="i and j of all pairs."
        ),
    ] = None,
    matrix: Annotated[
        FactorName, typer.Option("--matrix", help="A, B, or delta: ΔW = s·B·A.")
    ] = FactorName.delta,
    side: Annotated[
        Side | None,
        typer.Option(
            "--side",
            show_default="right for A, left for B and ΔW",
            help="Whose singular vectors; a choice for ΔW only.",
        ),
    ] = None,
    clusters: Annotated[
        int | None,
        typer.Option(
            "--clusters",
            min=1,
            show_default="where chance begins, else at the largest gap",
            help="How many clusters to cut the tree into.",
        ),
    ] = None,
    per_layer: Annotated[
        bool | None,
        typer.Option(
            "--per-layer/--no-per-layer",
            show_default="for few adapters",
            help="Keep and write φ of every layer, not its mean only.",
        ),
    ] = None,
    draws: Annotated[
        int, typer.Option("--draws", min=0, help="Draws of unrelated subspaces, for p.")
    ] = 1000,
    seed: Seed = 0,
    base: Base = None,
    device: Device = "auto",
    dtype: Dtype = DtypeName.float64,
    explain: Explain = False,
    as_json: Json = False,
    out: Out = None,
) -> None:
    """Which adapters span alike? φ between any number of them (seeds, ranks, tasks), with a tree.

    Mean over the layers that all have. Adapters of several ranks are compared each at its own, unless
    --rank is given; φ divides by the smaller of two. Beside it: what unrelated subspaces of those
    ranks give, and how many deviations φ is from that. Families are found by average-linkage
    clustering of 1 − φ, or of 1 − excess where chance differs from pair to pair. For thousands of adapters, --dtype float32 halves the memory.

    A model that was tuned in full is taken where its folder is named, with --base and --rank, by its ΔW.

    Example: lora-lens matrix runs/ --module value --matrix delta --out figures/
    """
    from ...terminal.printing import progress, report

    def make() -> MatrixResult:
        from .analysis import adapter_matrix

        with progress(f"{module} of adapters", as_json=as_json) as advance:
            return adapter_matrix(
                adapters,
                module,
                rank,
                matrix=matrix.value,
                side=side.value if side else None,
                clusters=clusters,
                per_layer=per_layer,
                draws=draws,
                seed=seed,
                base=base,
                device=device,
                dtype=dtype.value,
                progress=advance,
            )

    report(make, QUESTION, as_json=as_json, out=out, explain=explain)
