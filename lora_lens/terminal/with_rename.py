"""The option that says a base's own names, given to every command that reads W0."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

import typer

from .options import Rename


def with_rename(run: Callable[..., None]) -> Callable[..., None]:
    """A command that has ``--base``, with ``--rename`` after it; another as it is."""
    signature = inspect.signature(run, eval_str=True)
    if "base" not in signature.parameters:
        return run

    @wraps(run)
    def with_names(*given: Any, rename: list[str] | None = None, **options: Any) -> None:
        from ..bases.renaming import renaming

        with renaming(dict(_split(rename or ()))):
            run(*given, **options)

    parameters = list(signature.parameters.values())
    after = 1 + list(signature.parameters).index("base")
    option = parameters[after - 1].replace(name="rename", annotation=Rename, default=None)
    parameters.insert(after, option)
    with_names.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    with_names.__annotations__ = {each.name: each.annotation for each in parameters}
    return with_names


def _split(said: Iterable[str]) -> Iterable[tuple[str, str]]:
    for one in said:
        old, equals, new = one.rpartition("=")
        if not equals or not old:
            raise typer.BadParameter(f"--rename is {one!r}, expected OLD=NEW")
        yield old, new
