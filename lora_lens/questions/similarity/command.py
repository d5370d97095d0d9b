"""`lora-lens similarity`: the paper's Figure 1, with the null it needs."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, cast

import typer

from ...chance.null_names import NULLS
from ...terminal.options import (
    AdapterFolder,
    Base,
    ConventionChoice,
    ConversionConvention,
    Device,
    Dtype,
    DtypeName,
    Explain,
    I,
    J,
    Json,
    Memory,
    Module,
    Out,
    Rank,
    Ridge,
    Seed,
    Side,
)
from . import QUESTION

if TYPE_CHECKING:
    from ...chance.null_names import NullName
    from .result import SimilarityResult


class MatrixName(StrEnum):
    """Which conversion matrix."""

    A = "A"
    B = "B"
    BA = "BA"


def _null_names(names: str) -> str:
    if unknown := [name for name in names.split(",") if name not in NULLS]:
        raise typer.BadParameter(f"{unknown[0]!r} is none of {', '.join(NULLS)}")
    return names


def run(
    adapter: AdapterFolder,
    module: Module = "value",
    rank: Rank = None,
    i: I = None,
    j: J = None,
    side: Annotated[
        Side, typer.Option("--side", help="Compare column spaces (left, the paper) or row spaces.")
    ] = Side.left,
    convention: ConversionConvention = ConventionChoice.auto,
    ridge: Ridge = 0.0,
    matrix: Annotated[
        list[MatrixName] | None,
        typer.Option(
            "--matrix", show_default="A, B and BA", help="Only this one; may be repeated."
        ),
    ] = None,
    nulls: Annotated[
        str,
        typer.Option(
            "--nulls",
            metavar="NAMES",
            callback=_null_names,
            help="Which nulls to set φ beside, with commas between them. gaussian: unrelated subspaces. "
            "propagated: random factors through the same W0. mismatched: the adapter's own factors, "
            "shuffled over the layers' W0. initialisation: A as PEFT starts it, through W0. equivalent: the "
            "propagated one's mean by a formula, where draws cost too much. flipped: the adapter's own factors, turned by "
            "random signs on their own W0's singular directions; with --ridge 3 its p tests what layers share beyond these.",
        ),
    ] = "gaussian,propagated",
    draws: Annotated[
        int,
        typer.Option(
            "--draws",
            min=0,
            help="Draws of each null: p is at least 1/(draws + 1). 0: no p-values.",
        ),
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
    """How alike are conversion matrices across layers? φ of W0⁻¹Aᵀ, W0⁻¹B, W0⁻¹BA, layer × layer.

    φ is 1 for equal subspaces and 0 for orthogonal ones. Chance is not 0, so every φ, and the mean
    over all pairs of layers, stands beside nulls; "propagated" is the one to start with. p is the
    share of a null's draws that reach φ, and the excess (φ - null)/(1 - null). They describe: whether
    layers share anything is tested by lora-lens shared.

    Example: lora-lens similarity ckpt/ --module value --rank 8 --out figures/
    """
    from ...terminal.printing import progress, report

    def make() -> SimilarityResult:
        from ...formats import load_adapter
        from ...subspaces.conversions import MATRICES
        from .analysis import conversion_similarity

        with progress(f"similarity of {module}", as_json=as_json, counted=False) as advance:
            return conversion_similarity(
                load_adapter(adapter, base),
                module,
                rank,
                i=i,
                j=j,
                side=side.value,
                convention=convention.value,
                ridge=ridge,
                matrices=[name.value for name in matrix] if matrix else MATRICES,
                nulls=cast("list[NullName]", nulls.split(",")),
                draws=draws,
                seed=seed,
                device=device,
                dtype=dtype.value,
                memory=memory,
                progress=advance,
            )

    report(make, QUESTION, as_json=as_json, out=out, explain=explain)
