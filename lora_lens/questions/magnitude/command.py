"""`lora-lens magnitude`: the weight decomposition analysis of Liu et al. 2024, Figure 2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ...terminal.options import (
    AdapterFolder,
    Base,
    Device,
    Dtype,
    DtypeName,
    Explain,
    Json,
    Out,
    Seed,
)
from . import QUESTION

if TYPE_CHECKING:
    from .result import MagnitudeAndDirection


def run(
    adapter: AdapterFolder,
    module: Annotated[
        list[str] | None,
        typer.Option(
            "--module", "-m", show_default="all", help="Only this target module; may be repeated."
        ),
    ] = None,
    draws: Annotated[
        int | None,
        typer.Option(
            "--draws",
            min=0,
            show_default="200, or 20 of a module with a large dense ΔW",
            help="Random ΔW a layer, to stand beside; 0: none. Dense: of a quarter of all directions or more.",
        ),
    ] = None,
    seed: Seed = 0,
    base: Base = None,
    device: Device = "auto",
    dtype: Dtype = DtypeName.float64,
    explain: Explain = False,
    as_json: Json = False,
    out: Out = None,
) -> None:
    """Does ΔW change the lengths of W0's rows and their directions together? ΔM and ΔD, layer by layer.

    The weight decomposition analysis of the DoRA paper (Liu et al. 2024, Figure 2). Beside ΔM, ΔD and their correlation
    over the layers stand those of random ΔW with the same singular values.

    A model that was tuned in full is taken beside the one that it was tuned from, --base.

    Example: lora-lens magnitude ckpt/ --module query --module value
    """
    from ...terminal.printing import progress, report

    def make() -> MagnitudeAndDirection:
        from ...formats import load_adapter
        from .analysis import magnitude_and_direction

        with progress("layers", as_json=as_json) as advance:
            return magnitude_and_direction(
                load_adapter(adapter, base),
                module or None,
                draws=draws,
                seed=seed,
                device=device,
                dtype=dtype.value,
                progress=advance,
            )

    report(make, QUESTION, as_json=as_json, out=out, explain=explain)
