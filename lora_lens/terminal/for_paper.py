"""The options of figures, given to every command that writes them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any

import typer

from ..show.paper import PLAIN, paper
from .option_groups import add_after
from .options import Style, Width


def for_paper(run: Callable[..., None]) -> Callable[..., None]:
    """A command with ``--width`` and ``--style`` after its ``--out``; one without ``--out`` as it is.

    They are looked at first, so that a wrong one costs nothing.
    """
    signature = inspect.signature(run, eval_str=True)
    if "out" not in signature.parameters:
        return run

    @wraps(run)
    def with_paper(
        *given: Any, width: str | None = None, style: str | None = None, **options: Any
    ) -> None:
        if "shared_width" in signature.parameters and (width or "").isdecimal():
            from .printing import echo

            options["shared_width"], width = int(str(width)), None
            echo(
                f"warning: --width is of figures now; say --shared-width {options['shared_width']}",
                err=True,
            )
        drawn_for, out = paper(width, style), options.get("out")
        if drawn_for != PLAIN:
            if out is None:
                raise typer.BadParameter("--width and --style are of the figures that --out writes")
            options["out"] = replace(out, paper=drawn_for)
        run(*given, **options)

    add_after(with_paper, signature, "out", width=Width, style=Style)
    return with_paper
