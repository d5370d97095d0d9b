"""Options that several commands share: a function says them once, and gives what they make."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, get_type_hints


def with_options(
    **makers: Callable[..., Any],
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of every maker, and call it with what they make of them.

    ``@with_options(data=data_fields)`` adds the options that are `data_fields`' parameters to the command,
    and passes it ``data=data_fields(...)``.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        made = {name: _parameters(maker) for name, maker in makers.items()}
        own = [p for p in _parameters(command).values() if p.name not in makers]
        parameters = [*(p for shared in made.values() for p in shared.values()), *own]

        @wraps(command)
        def wrapped(**chosen: Any) -> None:
            products = {
                name: maker(**{option: chosen.pop(option) for option in made[name]})
                for name, maker in makers.items()
            }
            command(**products, **chosen)

        wrapped.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
        )
        wrapped.__annotations__ = {p.name: p.annotation for p in parameters}
        del wrapped.__wrapped__  # typer would read the options there
        return wrapped

    return decorate


def add_after(
    command: Callable[..., None], signature: inspect.Signature, own: str, **options: Any
) -> None:
    """Give a command that wraps another further options, with their types, behind one of that other's own."""
    parameters = list(signature.parameters.values())
    before = 1 + list(signature.parameters).index(own)
    parameters[before:before] = [
        parameters[before - 1].replace(name=name, annotation=kind, default=None)
        for name, kind in options.items()
    ]
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}


def _parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    hints = get_type_hints(function, include_extras=True)
    return {
        name: parameter.replace(annotation=hints.get(name, parameter.annotation))
        for name, parameter in inspect.signature(function).parameters.items()
    }
