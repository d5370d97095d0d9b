"""`lora-lens report`: one HTML file with everything, to be read without the tool."""

from __future__ import annotations

import shlex
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from ..terminal.options import (
    AdapterFolder,
    Base,
    ConventionChoice,
    ConversionConvention,
    Device,
    Dtype,
    DtypeName,
    Json,
    Memory,
    Ridge,
    Seed,
)

NAME = "report"
_STANDARD_OUTPUT = ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


def run(
    adapter: AdapterFolder,
    others: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="OTHER",
            show_default=False,
            help="Others on the same base: each is analysed too, and every two are compared.",
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="FILE", help="The HTML file to write; - for standard output."
        ),
    ] = Path("report.html"),
    module: Annotated[
        list[str] | None,
        typer.Option("--module", "-m", show_default="all", help="Only this one; may be repeated."),
    ] = None,
    rank: Annotated[
        int | None,
        typer.Option(
            "--rank", "-r", show_default="each module's smallest", help="i and j at once."
        ),
    ] = None,
    convention: ConversionConvention = ConventionChoice.auto,
    ridge: Ridge = 0.0,
    draws: Annotated[
        int | None,
        typer.Option(
            "--draws",
            min=2,
            show_default="20 times as many as there are tests, at least 200",
            help="Draws of each null, 50 at most of those of shared layers that only describe: p is at least "
            "1/(draws + 1).",
        ),
    ] = None,
    seed: Seed = 0,
    made: Annotated[
        datetime | None,
        typer.Option(
            "--date",
            formats=["%Y-%m-%d"],
            show_default="today",
            help="The date in the report; with one given, the same command makes the same file.",
        ),
    ] = None,
    base: Base = None,
    memory: Memory = None,
    device: Device = "auto",
    dtype: Dtype = DtypeName.float64,
    as_json: Json = False,
) -> None:
    """Everything about an adapter, or several, in one HTML file, to be read without lora-lens or a network.

    The findings in sentences, φ between layers beside its nulls, the share of one shared layer, the
    spectra of ΔW beside W0's; of several adapters each by itself, and φ between every two; figures with values on hover, tables that sort
    and copy as LaTeX, checksums and versions. A model that was tuned in full is taken, too, with --base what it
    was tuned from: the spectra of its ΔW, and φ to others; what is of A and B is left out. Needs the extra: pip install "lora-lens[report]".

    Example: lora-lens report ckpt/ other/ third/ -o report.html
    """
    from ..bases.renaming import said
    from ..terminal.printing import echo, print_json, say, warnings_as_lines
    from ..terminal.time_left import foretelling

    command = _command(
        [adapter, *(others or [])],
        {
            "-o": out, "--module": module, "--rank": rank, "--convention": convention, "--ridge": ridge,
            "--draws": draws, "--seed": seed, "--date": made.date() if made else None, "--base": base,
            "--rename": [f"{old.pattern}={new}" for old, new in said()], "--memory": memory, "--device": device,
            "--dtype": dtype,
        },
    )  # fmt: skip
    if str(out) == "-":
        out = Path(_STANDARD_OUTPUT[0])
    with foretelling(as_json=as_json) as watch, warnings_as_lines():
        from ..report.request import Request
        from ..report.write import make_report

        request = Request(
            modules=tuple(module) if module else None, rank=rank, convention=convention.value, draws=draws,
            seed=seed, device=device, dtype=dtype.value, ridge=ridge, memory=memory,
        )  # fmt: skip
        _, told = make_report(
            adapter,
            out,
            tuple(others or ()),
            request=request,
            base=base,
            made=made.date() if made else None,
            command=command,
            watch=watch,
        )
    if as_json:
        print_json(told)
    else:
        # The page is all of it, where it is written there.
        echo(told["summary"], err=str(out) in _STANDARD_OUTPUT)
    for line in told["not_analysed"]:
        echo(f"not analysed: {line}", err=True)
    say(f"wrote {out}")


def _command(adapters: list[Path], options: dict[str, object]) -> str:
    """The command with every option that is set, defaults too: later defaults may be others."""
    words = ["lora-lens", NAME, *map(str, adapters)]
    for option, value in options.items():
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                words += [option, str(one)]
    return shlex.join(words)
