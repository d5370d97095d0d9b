"""`lora-lens spectrum`: spectra, ranks, norms, intruder dimensions, and a rank pattern for PEFT."""

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
    read_w0,
)
from . import QUESTION

if TYPE_CHECKING:
    from .result import Spectrum


def run(
    adapter: AdapterFolder,
    module: Annotated[
        str | None,
        typer.Option("--module", "-m", show_default="all", help="Only this target module."),
    ] = None,
    beside_w0: Annotated[
        bool | None, read_w0("its norms and spectra beside ΔW's, and intruder dimensions")
    ] = None,
    k: Annotated[
        list[int] | None,
        typer.Option(
            "--k",
            show_default="1, 5, 10, 20",
            help="Intruder dimensions among this many top vectors; may be repeated.",
        ),
    ] = None,
    epsilon: Annotated[
        list[float] | None,
        typer.Option(
            "--epsilon", show_default="0.3 to 0.9", help="Threshold of |cosine|; may be repeated."
        ),
    ] = None,
    draws: Annotated[
        int | None,
        typer.Option(
            "--draws",
            min=0,
            show_default="1",
            help="Random ΔW a layer, to count intruder dimensions of; 0: none.",
        ),
    ] = None,
    seed: Seed = 0,
    energy: Annotated[
        float, typer.Option("--energy", help="Share of ‖ΔW‖_F² that the suggested ranks keep.")
    ] = 0.95,
    base: Base = None,
    device: Device = "auto",
    dtype: Dtype = DtypeName.float64,
    explain: Explain = False,
    as_json: Json = False,
    out: Out = None,
) -> None:
    """How is ΔW made, and what does it do to W0? Spectra, ranks, norms, intruder dimensions.

    Ends with the smallest ranks that keep a share of ΔW's energy, as PEFT's rank_pattern and
    alpha_pattern, ready to paste into a LoraConfig; of many modules with --out, in a file.

    A model that was tuned in full is taken beside the one that it was tuned from, --base, in its place.

    Example: lora-lens spectrum ckpt/ --module value --energy 0.95
    """
    from rich.text import Text

    from ...terminal.printing import echo, progress, report, show_text

    made: list[Spectrum] = []

    def make() -> Spectrum:
        from ...formats import load_adapter
        from ...formats.base_in_use import check_base_used
        from .analysis import spectrum

        check_base_used((adapter,), base, beside_w0)
        with progress("layers", as_json=as_json) as advance:
            found = spectrum(
                load_adapter(adapter, base),
                module,
                beside_w0=beside_w0,
                energy=energy,
                ks=k or None,
                epsilons=epsilon or None,
                draws=draws,
                seed=seed,
                device=device,
                dtype=dtype.value,
                progress=advance,
            )
        made.append(found)
        return found

    report(make, QUESTION, as_json=as_json, out=out, explain=explain)
    if not as_json and made[0].suggestion.layers:
        from .terminal import suggested

        said, pasted = suggested(made[0], written=out is not None)
        echo("")
        show_text(lambda _: Text(said))
        # Not through rich, which would fold long names: it is to be pasted.
        if pasted:
            echo(pasted.removesuffix("\n"))
