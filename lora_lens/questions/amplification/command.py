"""`lora-lens amplification`: Table 7 of Hu et al. 2022."""

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
    Module,
    Out,
)
from . import QUESTION

if TYPE_CHECKING:
    from .result import Amplification


def run(
    adapter: AdapterFolder,
    module: Module = "value",
    rank: Annotated[
        int | None,
        typer.Option(
            "--rank",
            "-r",
            show_default="ΔW's own",
            help="How many singular vectors U and V hold.",
        ),
    ] = None,
    base: Base = None,
    device: Device = "auto",
    dtype: Dtype = DtypeName.float64,
    explain: Explain = False,
    as_json: Json = False,
    out: Out = None,
) -> None:
    """Does ΔW strengthen what W0 has but does not stress? ‖ΔW‖_F / ‖UᵀW0V‖_F, layer by layer.

    U and V are ΔW's top singular vectors. Beside ‖UᵀW0V‖_F stands the same for W0's own singular
    vectors and for random ones: the computation of section 7.3 of the LoRA paper (Hu et al. 2022, Table 7).

    A model that was tuned in full is taken beside the one that it was tuned from, --base, with --rank.

    Example: lora-lens amplification ckpt/ --module value
    """
    from ...terminal.printing import report

    def make() -> Amplification:
        from ...formats import load_adapter
        from .analysis import amplification

        return amplification(
            load_adapter(adapter, base), module, rank, device=device, dtype=dtype.value
        )

    report(make, QUESTION, as_json=as_json, out=out, explain=explain)
