"""How long a report will take, said before it begins, and a bar by time while there is a person to see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from ..show.time_left import TimeLeft, foretold, left
from .printing import is_watched, say
from .quiet import is_quiet


@contextmanager
def foretelling(*, as_json: bool = False) -> Iterator[Callable[[TimeLeft], None] | None]:
    """Says on standard error how long it will take, then shows what is left; nothing under ``--quiet``.

    What is left is shown where `lora_lens.terminal.printing.is_watched`.
    """
    if is_quiet():
        yield None
        return
    with ExitStack() as stack:
        show: Callable[[TimeLeft], None] | None = None

        def told(ahead: TimeLeft) -> None:
            nonlocal show
            # The line first: one that is written beside a bar stays on the bar's line.
            if show is None:
                say(foretold(ahead))
                show = stack.enter_context(_bar(is_watched(as_json=as_json)))
            show(ahead)

        yield told


@contextmanager
def _bar(watched: bool) -> Iterator[Callable[[TimeLeft], None]]:
    if not watched:
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (TextColumn("parts"), BarColumn(), TextColumn("{task.fields[left]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("parts", total=1.0, left="")

        def show(ahead: TimeLeft) -> None:
            bar.update(task, completed=ahead.share, left=left(ahead))

        yield show
