"""`lora-lens shared`: the paper's claim, that one linear layer yields every layer's factor."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...terminal.options import (
    AdapterFolder,
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
    from .result import SharedResult


class FactorName(StrEnum):
    """Whose conversion matrices."""

    A = "A"
    B = "B"


class ThroughName(StrEnum):
    """What is asked to make every layer's factor."""

    w0 = "w0"
    source = "source"


def run(
    adapter: AdapterFolder,
    other: Annotated[
        Path | None,
        typer.Argument(
            metavar="OTHER",
            show_default=False,
            help="Another adapter on the same base: does the shared layer carry over to it?",
        ),
    ] = None,
    module: Module = "value",
    rank: Annotated[
        int | None,
        typer.Option(
            "--rank",
            "-r",
            show_default="the adapter's smallest",
            help="Singular vectors of each layer's conversion matrix.",
        ),
    ] = None,
    shared_width: Annotated[
        int | None,
        typer.Option("--shared-width", show_default="--rank", help="Columns of the shared layer."),
    ] = None,
    ridge: Annotated[
        float,
        typer.Option(
            "--ridge",
            min=0,
            help="Fit the layer that is asked forwards by S + λ²I in the place of S, the sum of the other layers' W0ᵀW0 at unit norm, λ² being the square of this "
            "times S's mean eigenvalue, the nulls too; 0.001 to 1000. 0: the definition. 1 found smaller shared parts where that "
            "was counted (docs, power), and may give CondLoRA less than 1.",
        ),
    ] = 0.0,
    convention: ConversionConvention = ConventionChoice.auto,
    through: Annotated[
        ThroughName,
        typer.Option(
            "--through",
            help="Ask of W0; or of a CondLoRA adapter of another source of what stood for W0 in training, where its share is 1.",
        ),
    ] = ThroughName.w0,
    matrix: Annotated[
        list[FactorName] | None,
        typer.Option("--matrix", show_default="A and B", help="Only this one; may be repeated."),
    ] = None,
    draws: Annotated[
        int,
        typer.Option(
            "--draws",
            min=0,
            help="Draws of the flipped and propagated nulls; 50 at most of the others, which describe; 0 leaves "
            "them out.",
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
    """Does one linear layer yield every layer's A (and B), as CondLoRA's does? More than W0 explains?

    Asked forwards: the layer θ fitted to all other layers predicts B_l by W_l θ, and the share of B_l that it
    holds is 1 for CondLoRA, and by chance little. The verdict is against the same factors turned by random signs
    on their own W0's singular directions, corrected over what is tested. Shares of the conversions W0⁻¹Aᵀ and
    W0⁻¹B stand beside it and describe: W0⁻¹ blows up what is not shared. With OTHER, θ of the one adapter
    predicts the layers of the other, and files are of a stem of their own (shared-other-value). --convention is of the conversions; forwards A is asked of W0ᵀ, but of W0 where
    ADAPTER is a CondLoRA one that was trained under 'stored'.

    Example: lora-lens shared ckpt/ --module value --rank 8 --out figures/
    """
    from ...terminal.printing import progress, report

    def make() -> SharedResult:
        from ...formats import load_adapter
        from .analysis import MATRICES, shared_subspace

        with progress(f"shared layer of {module}", as_json=as_json, counted=False) as advance:
            return shared_subspace(
                load_adapter(adapter, base),
                module,
                rank,
                other=None if other is None else load_adapter(other, base),
                width=shared_width,
                ridge=ridge,
                convention=convention.value,
                matrices=[name.value for name in matrix] if matrix else MATRICES,
                draws=draws,
                seed=seed,
                device=device,
                dtype=dtype.value,
                memory=memory,
                progress=advance,
                through=through.value,
            )

    report(make, QUESTION, as_json=as_json, out=out, explain=explain)
