"""Printing a result: JSON or a table on standard output, files, progress and notes on standard error."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from ..results import (
        Amplification,
        ComparisonResult,
        DynamicsResult,
        Inventory,
        MatrixResult,
        RankGrids,
        SharedResult,
        SimilarityResult,
        Spectrum,
    )

    Result = (
        Amplification
        | ComparisonResult
        | DynamicsResult
        | Inventory
        | MatrixResult
        | RankGrids
        | SharedResult
        | SimilarityResult
        | Spectrum
    )

Kind = Literal[
    "amplification", "comparison", "dynamics", "inventory", "matrix", "rank_grids", "shared",
    "similarity", "spectrum",
]  # fmt: skip
_TABLES_OF_THEIR_OWN = ("dynamics", "matrix")  # others are in tables.terminal
_SPECTRAL = ("rank_grids", "amplification", "spectrum")  # have tables and files of their own
_DEFAULT_WIDTH = 100  # of tables that go to a file or a pipe


def report(make: Callable[[], Result], kind: Kind, *, as_json: bool, out: Path | None) -> None:
    """Compute a result, print it in the form asked for, and write its files if asked.

    The output folder is opened before the computation, so that a wrong one costs nothing.
    """
    from ..staging import staged

    with ExitStack() as stack:
        folder = stack.enter_context(staged(out)) if out else None
        result = _heeding_warnings(make)
        files = _write(kind, result, folder) if folder else []
    if as_json:
        import json

        typer.echo(json.dumps(result.to_dict(), allow_nan=False))
        for note in result.notes:
            typer.echo(f"note: {note}", err=True)
    else:
        room = (
            kind
            if kind in _TABLES_OF_THEIR_OWN
            else "spectral_terminal"
            if kind in _SPECTRAL
            else "terminal"
        )
        tables = import_module(f"..tables.{room}", __package__)
        show(partial(getattr(tables, kind), result))
    if files:
        typer.echo(f"wrote {', '.join(files)} to {out}", err=True)


def _heeding_warnings(make: Callable[[], Result]) -> Result:
    """Warnings as lines on standard error, without Python's file and line before them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        result = make()
    for warning in caught:
        typer.echo(f"warning: {warning.message}", err=True)
    return result


def _write(kind: Kind, result: Result, folder: Path) -> list[str]:
    from .. import outputs, outputs_spectral

    home = outputs_spectral if kind in _SPECTRAL else outputs
    written: list[str] = getattr(home, f"write_{kind}")(result, folder)
    return written


def show(render: Callable[[Console], RenderableType]) -> None:
    """Print a rich renderable on standard output."""
    from rich.console import Console

    console = Console() if sys.stdout.isatty() else Console(width=_DEFAULT_WIDTH)
    console.print(render(console))


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """A bar on standard error while there is a person to see it."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    from rich.markup import escape

    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(escape(what), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
