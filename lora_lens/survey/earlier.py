"""What an earlier survey has left in the folder: it is not lost in silence, and does not stand beside a later one's tables."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from ..errors import OutputError
from ..files.locate import user_path
from ..show.layout import counted
from .planning import PLACES
from .table import parquet, told_by

_TABLES = (
    "adapters", "failed", "spectrum", "pairs", "places", "clusters", "interference", "merges", "subspace",
    "outlying",
)  # fmt: skip
_COMMIT = re.compile("@[0-9a-f]{40}$")


def check_no_others(folder: Path, given: Sequence[str]) -> None:
    """That nothing is lost: the tables of a survey of other adapters would be written over.

    Those that are on this machine no more are not missed, and those of the hub are the same at another commit.
    """
    before = folder / "adapters.parquet"
    if not before.is_file():
        return
    try:
        sources = parquet().read_table(before, columns=["adapter", "source"]).to_pylist()
    except (OSError, ValueError, KeyError):  # not ours, or not whole
        return
    same = {os.path.realpath(user_path(one)) for one in given} | set(map(_any_commit, given))
    others = [
        one["adapter"]
        for one in sources
        if not same & {_any_commit(source := one["source"]), os.path.realpath(source)}
        and (Path(source).exists() or not Path(source).is_absolute())  # a hub id is on the hub
    ]
    if others:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        raise OutputError(
            f"{folder} holds a survey of {counted(len(sources), 'adapter')}, of which {others[0]}{more} would be lost: "
            f"choose another folder for this one, or remove that"
        )


def _any_commit(source: str) -> str:
    """A hub id without its commit; a branch, a tag and a path as they are."""
    return source if Path(source).is_absolute() else _COMMIT.sub("", source)


def sweep(folder: Path, written: set[str], places: set[str]) -> list[str]:
    """Remove what an earlier survey of other questions, or fewer adapters, has left here, and nothing else; tables' names."""
    named = [f"{name}{ending}" for name in _TABLES for ending in (".parquet", ".csv")]
    gone = [name for name in named if name not in written and (folder / name).is_file()]
    for name in gone:
        (folder / name).unlink(missing_ok=True)
    for path in (folder / PLACES).glob("*.parquet"):
        if path.name not in places and _is_ours(path):
            path.unlink(missing_ok=True)
    return gone


def _is_ours(path: Path) -> bool:
    try:
        return "place" in told_by(path)
    except OutputError:
        return False
