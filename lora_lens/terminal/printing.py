"""Printing a result: JSON or a table on standard output, files, progress and notes on standard error."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import typer

from ..core.computing.progress import Progress
from ..printable import one_line, printable
from ..show.paper import PLAIN, Paper
from .output import Output
from .quiet import is_quiet

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


class Result(Protocol):
    """What every result has."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know beside the numbers."""

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""


class Shown(Protocol):
    """How the results of one question are shown."""

    def terminal(self, result: Any, console: Console, *, explain: bool = False) -> RenderableType:
        """What the command prints."""

    def write(self, result: Any, folder: Path, prefix: str = "", paper: Paper = PLAIN) -> list[str]:
        """Write the files; their names."""

    def sometimes(self, result: Any) -> list[str]:
        """Names of files that another result may have written there, and this one may not have."""


_DEFAULT_WIDTH = 100  # of tables that go to a file or a pipe, where COLUMNS says no other
_NARROWEST = 20


def say(message: str) -> None:
    """A message on standard error, unless ``--quiet`` is asked for."""
    if not is_quiet():
        echo(message, err=True)


def echo(text: str, *, err: bool = False) -> None:
    """A line, which does nothing to the terminal but stand there, whatever names are in it."""
    typer.echo(printable(text), err=err)


def print_json(found: Mapping[str, Any]) -> None:
    """Print one JSON object on standard output, in one line."""
    import json

    typer.echo(json.dumps(found, allow_nan=False))


R = TypeVar("R", bound=Result)


def report(
    make: Callable[[], R],
    question: Shown,
    *,
    as_json: bool,
    out: Output | None,
    explain: bool = False,
) -> R:
    """Compute a result, print it in the form asked for, write its files if asked, and give it back.

    The output folder is opened before the computation, so that a wrong one costs nothing.
    """
    from ..staging import remove_too, staged

    files: list[str] = []
    gone: list[str] = []
    with ExitStack() as stack:
        folder = stack.enter_context(staged(out.folder, removed=gone, result=True)) if out else None
        stack.enter_context(warnings_as_lines())
        # Said whatever PYTHONWARNINGS is, which silences libraries in many jobs.
        warnings.simplefilter("always", UserWarning)
        result = _made(make, noted=not (as_json and is_quiet()))
        if out and folder:
            files = question.write(result, folder, paper=out.paper)
            remove_too(folder, question.sometimes(result))
    if as_json:
        print_json(result.to_dict())
        for note in result.notes:
            say(f"note: {note}")
    else:
        show(question, result, explain=explain)
    if files:
        say(f"wrote {', '.join(files)} to {out}")
    say_removed(gone, str(out))
    return result


def _made(make: Callable[[], R], *, noted: bool) -> R:
    """What is computed; what it warned of is said when it is there or has failed, but for what its notes say, if they will be seen."""
    notes: Sequence[str] = ()
    caught: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            result = make()
        notes = result.notes if noted else ()
        return result
    finally:
        for one in caught:
            if str(one.message) not in notes:
                warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)


def say_removed(names: Sequence[str], folder: str) -> None:
    """Say which files of an earlier result were removed from a folder, if any."""
    if names:
        say(
            f"removed {', '.join(names)}, which an earlier result had and this one has not, from {folder}"
        )


@contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Within it a warning for the user is a line on standard error when it comes, and once, whatever fails after it.

    A library's as well as lora-lens's: the file and line that Python puts before it are of whoever called the library.
    """
    with warnings.catch_warnings():
        theirs, said = warnings.showwarning, set[str]()

        def show(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
            line = f"warning: {one_line(str(message))}"
            if not issubclass(category, UserWarning):
                theirs(message, category, *rest, **more)
            elif line not in said:
                said.add(line)
                echo(line, err=True)

        setattr(warnings, "showwarning", show)  # noqa: B010
        yield


def show(question: Shown, result: Result, *, explain: bool = False) -> None:
    """Print a result on standard output: its sentence, its tables and, if asked, what their words mean."""
    show_text(partial(question.terminal, result, explain=explain))


def show_text(render: Callable[[Console], RenderableType]) -> None:
    """Print a rich renderable on standard output; to a file or a pipe without blanks at the ends of its lines."""
    from .printable_console import PrintableConsole

    if sys.stdout.isatty():
        console = PrintableConsole()
        console.print(render(console))
        return
    console = PrintableConsole(width=_width())
    with console.capture() as held:
        console.print(render(console))
    lines = (line.rstrip(" ") for line in held.get().split("\n"))
    typer.echo("\n".join(lines), nl=False, color=True)


def _width() -> int:
    """Columns of a file or a pipe: what COLUMNS says, if that is a number."""
    said = os.environ.get("COLUMNS", "").strip()
    return max(_NARROWEST, int(said)) if said.isdecimal() and int(said) else _DEFAULT_WIDTH


def is_watched(*, as_json: bool) -> bool:
    """Whether there is a person to see a bar: not where another program reads what is printed."""
    read = as_json and not sys.stdout.isatty()
    return sys.stderr.isatty() and not is_quiet() and not read


@contextmanager
def progress(
    what: str, *, as_json: bool = False, counted: bool = True
) -> Iterator[Progress | None]:
    """A bar on standard error while there is a person to see it.

    Args:
        what: Before the bar.
        as_json: Whether a program reads what is printed, unless that is to a terminal: then there is no bar.
        counted: Whether what is done has a number that says something; else it is shown as a percentage.
    """
    if not is_watched(as_json=as_json):
        yield None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn() if counted else TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(escape(what), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
