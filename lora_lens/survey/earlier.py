"""What an earlier survey has left in the folder: it is not lost in silence, and does not stand beside a later one's tables."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ..errors import OutputError
from ..files.locate import user_path
from ..several import counted
from .questions import TABLES
from .table import parquet, told_by
from .task import PlaceTask
from .tasks import PLACES

_COMMIT = re.compile("@[0-9a-f]{40}$")


def check_no_others(folder: Path, given: Sequence[str]) -> None:
    """That nothing is lost: the tables of a survey of other adapters would be written over.

    Those that are on this machine no more are not missed, and those of the hub are the same at another commit.
    """
    before = folder / "adapters.parquet"
    if not before.is_file():
        return
    try:
        rows = parquet().read_table(before, columns=["adapter", "source"]).to_pylist()
    except (OSError, ValueError, KeyError):  # not ours, or not whole
        return
    others = set(_others((row["source"] for row in rows), given))
    if names := [row["adapter"] for row in rows if row["source"] in others]:
        raise OutputError(
            f"{folder} holds a survey of {counted(len(rows), 'adapter')}, of which {_first(names)} would be lost: "
            f"choose another folder for this one, or remove that"
        )


def check_no_places_of_others(folder: Path, given: Sequence[str]) -> None:
    """That no places of other adapters are there, of a survey that has no tables yet: one folder's places are of one survey."""
    # Beside tables of these adapters places of others stay.
    if (folder / "adapters.parquet").is_file():
        return
    told = list(_told(folder))
    sources = dict.fromkeys(source for _, one in told for source in _sources(one) or ())
    if others := list(_others(sources, given)):
        raise OutputError(
            f"{folder} holds places of {counted(len(sources), 'adapter')} that are not joined yet, and this survey is not of "
            f"{_first(others)}: choose another folder for it, or remove {folder / PLACES}"
        )


def _first(names: Sequence[str]) -> str:
    return f"{names[0]} and {len(names) - 1} more" if len(names) > 1 else names[0]


def _others(sources: Iterable[str], given: Sequence[str]) -> Iterator[str]:
    """Sources of adapters that are not given, and would be missed."""
    same = {os.path.realpath(user_path(one)) for one in given} | set(map(_any_commit, given))
    for source in sources:
        if not same & {_any_commit(source), os.path.realpath(source)} and (
            _is_here(source) or not Path(source).is_absolute()  # a hub id is on the hub
        ):
            yield source


def _is_here(source: str) -> bool:
    """Whether a path leads to something, or into a folder that is closed, where something may be."""
    try:
        return Path(source).exists()
    except OSError:
        return True


def _any_commit(source: str) -> str:
    """A hub id without its commit; a branch, a tag and a path as they are."""
    return source if Path(source).is_absolute() else _COMMIT.sub("", source)


def sweep_tables(folder: Path, written: set[str]) -> list[str]:
    """Remove tables that an earlier survey has left and this one has not written; their names."""
    named = [f"{name}{ending}" for name in TABLES for ending in (".parquet", ".csv")]
    gone = [name for name in named if name not in written and (folder / name).is_file()]
    for name in gone:
        (folder / name).unlink(missing_ok=True)
    return gone


def sweep_places(folder: Path, tasks: Sequence[PlaceTask], given: Sequence[str]) -> None:
    """Remove places of these adapters, or of some of them, that are none of these tasks'."""
    files = {task.file for task in tasks}
    numbers = {piece.digest for task in tasks for piece in task.place.pieces}
    for path, told in _told(folder):
        if path.name in files:
            continue
        sources = _sources(told)
        if sources is None:
            # Of an older version: only these numbers' are surely not another survey's.
            lost = "adapters" not in told or not set(json.loads(told["adapters"])) <= numbers
        else:
            lost = any(_others(sources, given))
        if not lost:
            path.unlink(missing_ok=True)


def _told(folder: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """Every place's file that is ours and whole, and what it says of itself."""
    for path in sorted((folder / PLACES).glob("*.parquet")):
        try:
            told = told_by(path)
        except OutputError:
            continue
        if "place" in told:
            yield path, told


def _sources(told: dict[str, str]) -> list[str] | None:
    """Of a place's adapters; None in files of older versions."""
    return json.loads(told["sources"]) if "sources" in told else None
