"""A folder that holds no adapter, which nothing that is written here replaces."""

from __future__ import annotations

from pathlib import Path

from ..errors import AdapterError


def check_free(target: Path, *names: str) -> None:
    """Refuse a folder with one of these files.

    `staged` asks before the work, when what a killed process was moving is there, and after it, since another may have been quicker.

    Raises:
        AdapterError: One is there.
    """
    if any((target / name).exists() for name in names):
        raise AdapterError(f"{target} already holds an adapter; choose another folder")
