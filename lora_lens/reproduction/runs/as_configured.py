"""Refusing what was made otherwise than the configuration says now."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ...errors import SettingsError


def refuse_other(
    made: Path, compared: Iterable[tuple[str, object, object]], *, remove: str
) -> None:
    """Nothing, where everything was done as it is asked for; what an older record does not say, None, passes.

    Args:
        made: The file or folder, for the message.
        compared: Names of settings, what was done, and what is asked for.
        remove: What is to be removed to have it made anew.

    Raises:
        SettingsError: One was done otherwise.
    """
    for name, done, asked in compared:
        if done not in (None, asked):
            raise SettingsError(
                f"{made} was made with {name} = {done}, the configuration says {asked}; {or_anew(remove)}"
            )


def or_anew(remove: str) -> str:
    """What to do about it.

    Example:
        >>> or_anew("the file")
        'put that back, or remove the file and run `reproduce` again, which makes it anew'
    """
    return f"put that back, or remove {remove} and run `reproduce` again, which makes it anew"
