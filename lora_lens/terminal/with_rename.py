"""The option that says a base's own names, given to every command that has ``--base``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

import typer

from .option_groups import add_after
from .options import Rename


def with_rename(run: Callable[..., None]) -> Callable[..., None]:
    """A command with ``--rename`` after its ``--base``; one without ``--base`` as it is."""
    signature = inspect.signature(run, eval_str=True)
    if "base" not in signature.parameters:
        return run

    @wraps(run)
    def with_names(*given: Any, rename: list[str] | None = None, **options: Any) -> None:
        from ..bases.renaming import renaming

        with renaming(dict(_split(rename or ()))):
            run(*given, **options)

    add_after(with_names, signature, "base", rename=Rename)
    return with_names


def _split(said: Iterable[str]) -> Iterable[tuple[str, str]]:
    for one in said:
        old, equals, new = one.rpartition("=")
        if not equals or not old:
            raise typer.BadParameter(f"--rename is {one!r}, expected OLD=NEW")
        yield old, new
