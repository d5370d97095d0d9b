"""`lora-lens dynamics`: an adapter over its training."""

from __future__ import annotations

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
)
from . import QUESTION

if TYPE_CHECKING:
    from .result import DynamicsResult


def run(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="RUN",
            show_default=False,
            help="Folder of a run, with checkpoint-N folders in it or in its checkpoints/.",
        ),
    ],
    module: Module = "value",
    rank: Annotated[
        int | None,
        typer.Option(
            "--rank",
            "-r",
            show_default="the end point's smallest; of a whole model 64, or half",
            help="i and j.",
        ),
    ] = None,
    base: Base = None,
    device: Device = "auto",
    dtype: Dtype = DtypeName.float64,
    explain: Explain = False,
    as_json: Json = False,
    out: Out = None,
) -> None:
    """How does an adapter come to be? φ to the end and to the first checkpoint, norms and ranks.

    Follows A (right singular vectors), B (left) and ΔW (both) over a run's checkpoint-N folders. The
    end point is the adapter in RUN itself where there is one, else the last checkpoint; the first
    is called the start if it is of step 0 or has learnt nothing yet. φ that does not exist, as of a B that is still zero, is left out. Of a run that tunes a
    whole model --base names what it was tuned from, and there is ΔW alone: what was saved less W0. Only these
    and CondLoRA runs need their base model.

    Example: lora-lens dynamics run/ --module value --rank 8 --out figures/
    """
    from ...terminal.printing import progress, report

    def make() -> DynamicsResult:
        from .analysis import dynamics

        with progress(f"checkpoints of {folder}", as_json=as_json) as advance:
            return dynamics(
                folder,
                module,
                rank,
                base=base,
                device=device,
                dtype=dtype.value,
                progress=advance,
            )

    report(make, QUESTION, as_json=as_json, out=out, explain=explain)
