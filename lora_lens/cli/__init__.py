"""The command line: parses, calls, prints. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import sys
from io import TextIOWrapper

import typer

from . import (
    amplification,
    compare,
    demo,
    dynamics,
    evaluate,
    export,
    grid,
    inspect,
    matrix,
    report,
    reproduce,
    search,
    shared,
    similarity,
    spectrum,
    train,
)
from .failing import LensGroup

app = typer.Typer(
    name="lora-lens",
    cls=LensGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help=(
        "Spectral analysis of low-rank adapters: are LoRA's conversion matrices alike across layers, "
        "and is it more than chance? Start with: lora-lens demo"
    ),
)
for command in (
    similarity,
    shared,
    compare,
    matrix,
    dynamics,
    inspect,
    spectrum,
    grid,
    amplification,
    report,
    demo,
    train,
    search,
    evaluate,
    export,
    reproduce,
):
    app.command(name=command.NAME)(command.run)


def main() -> None:
    """Run the command line; signs that the terminal's encoding lacks are replaced, not an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    app()
