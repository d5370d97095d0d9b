"""`lora-lens compare`: the paper's Table 3."""

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
    I,
    J,
    Json,
    Module,
    One,
    Out,
    Rank,
    Seed,
    read_w0,
)
from . import QUESTION

if TYPE_CHECKING:
    from .result import ComparisonResult


def run(
    one: One,
    other: Annotated[
        Path,
        typer.Argument(
            metavar="OTHER",
            show_default=False,
            help="Another on the same base: folder, file or hub id.",
        ),
    ],
    module: Module = "value",
    rank: Rank = None,
    i: I = None,
    j: J = None,
    beside_w0: Annotated[
        bool | None,
        read_w0("the null that knows where factors lie on W0's own singular directions"),
    ] = None,
    draws: Annotated[
        int, typer.Option("--draws", min=0, help="Draws of each null: p is at least 1/(draws + 1).")
    ] = 1000,
    seed: Seed = 0,
    base: Base = None,
    device: Device = "auto",
    dtype: Dtype = DtypeName.float64,
    explain: Explain = False,
    as_json: Json = False,
    out: Out = None,
) -> None:
    """Do two adapters span alike? φ of A (right side), B and ΔW (left side), layer by layer.

    The form of the paper's Table 3, with the mean and deviation for unrelated subspaces beside it, and
    tests against where both lie on their W0's own singular directions (flipped; the verdict comes from
    it), against unrelated subspaces (gaussian) and against the layers of ONE with other layers of OTHER
    (mismatched): p is the share of draws as far from their middle as φ, and the excess (φ - null)/(1 - null). Without
    the base model, and with --no-w0, flipped is left out.

    A model that was tuned in full is taken as either, beside the one that it was tuned from, --base, by its ΔW alone.

    Example: lora-lens compare lora/ condlora/ --module value --rank 8
    """
    from ...terminal.printing import progress, report

    def make() -> ComparisonResult:
        from ...formats import load_adapter
        from ...formats.base_in_use import check_base_used
        from .analysis import compare

        check_base_used((one, other), base, beside_w0)
        first, second = load_adapter(one, base), load_adapter(other, base)
        with progress("layers", as_json=as_json) as advance:
            return compare(
                first, second, module, rank,
                i=i, j=j, beside_w0=beside_w0, draws=draws, seed=seed, device=device, dtype=dtype.value,
                progress=advance,
            )  # fmt: skip

    report(make, QUESTION, as_json=as_json, out=out, explain=explain)
