"""The command line: parses, calls, prints. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from io import TextIOWrapper
from typing import Annotated

import typer

from .. import __version__
from ..questions import QUESTIONS
from ..show.plain_names import HANDLER
from ..terminal.closed_streams import replace_closed_streams
from ..terminal.failing import QUIET, LensGroup
from ..terminal.quiet import be_quiet, quiet_retries
from ..terminal.signals import heed_signals, leave_signals
from ..terminal.with_rename import with_rename
from . import demo, evaluate, export, report, reproduce, resize, search, serve, survey, train

app = typer.Typer(
    name="lora-lens",
    cls=LensGroup,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help=(
        "Spectral analysis of low-rank adapters: are LoRA's conversion matrices alike across layers, "
        "and is it more than chance? Start with: lora-lens demo"
    ),
    epilog="Tables in a file or a pipe have 100 columns, or as many as COLUMNS says.",
)


def _print_version(asked: bool) -> None:
    if asked:
        from ..terminal.printing import echo

        echo(f"lora-lens {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option(
            *QUIET,
            help="Nothing on standard error but warnings and errors; before the command or behind it.",
        ),
    ] = False,
) -> None:
    """Only what no command is needed for; the group's own help stands above."""
    del version
    be_quiet(quiet)
    quiet_retries()


def _add(name: str, run: Callable[..., None]) -> None:
    """A command, the first lines of its help whole in the list of all, where 45 letters would be the most."""
    app.command(name, short_help=(run.__doc__ or "").partition("\n\n")[0])(run)


for question in QUESTIONS:
    _add(question.command, with_rename(question.run))
for command in (report, export, survey):
    _add(command.NAME, with_rename(command.run))
for command in (resize, serve, demo, train, search, evaluate, reproduce):
    _add(command.NAME, command.run)


_SELDOM = 10_000  # objects more before the new ones are looked through; of all, a tenth of a second


def main() -> None:
    """Run the command line; signs that the terminal's encoding lacks are named, not an error."""
    replace_closed_streams()
    gc.set_threshold(_SELDOM)  # imports make a million objects, and hardly any of them is garbage
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=HANDLER)
    heed_signals()
    try:
        app()
    finally:
        leave_signals()
        gc.freeze()  # what is left ends with the process, unsearched: torch's objects take a fifth of a second
