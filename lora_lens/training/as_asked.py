"""Whether what is there of a run or a search was made with what is asked for now: the one answer to that."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .data import TASKS
from .data.records import SUFFIXES
from .methods import METHODS

if TYPE_CHECKING:
    from .settings import RunSettings

ELSEWHERE = (
    "data"  # where the data lie does not decide a result; what is in them does, and is compared
)
CHECKSUMS = "data_sha256"
_SOURCES = ("train", "development", "test")  # of data of one's own
# What every run was made with before it could be asked for: records from then do not say it.
UNSAID: Mapping[str, Any] = {  # which those of now do not say either
    "source": "w0",
    "unused_rows": None,
    "unused_seed": 0,
}
BEFORE: Mapping[str, Any] = {"stop_after": None, "head": "zero", **UNSAID}


def _has_classes(settings: Mapping[str, Any]) -> bool:
    """Whether the task is a classification, whose head begins where it begins whatever is asked for."""
    task, own = settings.get("task"), settings.get("own")
    if own is not None:
        return isinstance(own, Mapping) and own.get("regression") is False
    return isinstance(task, str) and task in TASKS and TASKS[task].labels is not None


def _makes_nothing_of_w0(settings: Mapping[str, Any]) -> bool:
    return any(
        name == settings.get("method") and not facts.from_w0 for name, facts in METHODS.items()
    )


def _stops_at_its_end(settings: Mapping[str, Any]) -> bool:
    stop, epochs = settings["stop_after"], settings.get("epochs")
    return stop is None or (isinstance(stop, int) and isinstance(epochs, int) and stop >= epochs)


# When a setting changes nothing, by others that come before it: it decides nothing then. A file that was changed by hand may say anything.
_IDLE: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "head": _has_classes,
    "convention": _makes_nothing_of_w0,
    "source": _makes_nothing_of_w0,
    "stop_after": _stops_at_its_end,
}


class Difference(NamedTuple):
    """What is asked for and what was made, of the first setting in which they differ; None of one that is not said."""

    name: str
    made: Any
    asked: Any


def deciding(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What of a run's settings decides its numbers; of a record from before some could be asked for, with these.

    One that changes nothing under the others is not among them: where a classification's head begins, the
    convention of a method that makes nothing of W0, a stop that is not before the last epoch. Of data of one's own
    it is how they are read; where their checksums are among the settings, they are each source's.

    Example:
        >>> deciding({"task": "stsb", "data": "glue", "head": "mean"})
        {'task': 'stsb', 'head': 'mean', 'source': 'w0', 'unused_rows': None, 'unused_seed': 0}
        >>> of_classes = {"task": "mrpc", "data": "glue", "head": "mean", "epochs": 3, "stop_after": 2}
        >>> [name for name in deciding(of_classes) if name in of_classes]
        ['task', 'epochs', 'stop_after']
    """
    unsaid = {name: value for name, value in BEFORE.items() if name not in settings}
    said = {name: value for name, value in settings.items() if name != ELSEWHERE} | unsaid
    if isinstance(settings.get(CHECKSUMS), Mapping):
        said[CHECKSUMS] = by_source(settings, settings[CHECKSUMS])
    if isinstance(said.get("own"), Mapping):
        said["own"] = _as_read(said["own"])
    return {
        name: value for name, value in said.items() if name not in _IDLE or not _IDLE[name](said)
    }


def by_source(settings: Mapping[str, Any], checksums: Mapping[str, str]) -> dict[str, Any]:
    """The data's checksums, those of one's own by what they are for and not by where they lie.

    Example:
        >>> own = {"train": "/here/a.csv", "development": None, "test": "/here/b.csv"}
        >>> by_source({"own": own}, {"/here/a.csv": "3f", "/here/b.csv": "a0"})
        {'train': '3f', 'development': None, 'test': 'a0'}
        >>> by_source({"own": None}, {"mrpc/train.csv": "3f"})
        {'mrpc/train.csv': '3f'}
    """
    own = settings.get("own")
    if not isinstance(own, Mapping):
        return dict(checksums)
    return {of: checksums.get(str(own.get(of))) for of in _SOURCES}


def _as_read(own: Mapping[str, Any]) -> dict[str, Any]:
    usual = "pearson" if own.get("regression") else "accuracy"
    kinds = {of: _kind(own[of]) for of in _SOURCES if isinstance(own.get(of), str)}
    return {**own, **kinds, "metric": own.get("metric") or usual}


def _kind(source: str) -> str:
    """A file's ending, by which it is read; a data set of the hub as it is named."""
    ending = Path(source).suffix.lower()
    return ending if ending in SUFFIXES else source


def begun_with(settings: RunSettings, checksums: Mapping[str, str]) -> dict[str, Any]:
    """What a run is begun with: its settings but for where the data lie, and the data's checksums."""
    said = {name: value for name, value in asdict(settings).items() if name != ELSEWHERE}
    return said | {CHECKSUMS: dict(checksums)}


def asked_of_run(settings: RunSettings, checksums: Mapping[str, str]) -> dict[str, Any]:
    """What decides a run's numbers: its settings, and the data's checksums."""
    return deciding(begun_with(settings, checksums))


def first_difference(made: Mapping[str, Any], asked: Mapping[str, Any]) -> Difference | None:
    """The first setting in which the two differ, as JSON has them; one that only one of them says is another.

    Example:
        >>> first_difference({"seeds": [0], "rank": 8}, {"seeds": (0,), "rank": 4})
        Difference(name='rank', made=8, asked=4)
    """
    was, now = (json.loads(json.dumps(dict(each))) for each in (made, asked))
    for name in now | was:
        if name not in was or name not in now or was[name] != now[name]:
            return Difference(name, was.get(name), now.get(name))
    return None
