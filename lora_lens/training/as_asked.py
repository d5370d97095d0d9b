"""Whether what is there of a run or a search was made with what is asked for now: the one answer to that."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

from .data import TASKS
from .methods import METHODS

if TYPE_CHECKING:
    from .settings import RunSettings

ELSEWHERE = (
    "data"  # where the data lie does not decide a result; what is in them does, and is compared
)
# What every run was made with before it could be asked for: records from then do not say it.
BEFORE: Mapping[str, Any] = {"stop_after": None, "head": "zero"}


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
    convention of a method that makes nothing of W0, a stop that is not before the last epoch.

    Example:
        >>> deciding({"task": "stsb", "data": "glue", "head": "mean"})
        {'task': 'stsb', 'head': 'mean'}
        >>> deciding({"task": "mrpc", "data": "glue", "head": "mean", "epochs": 3, "stop_after": 2})
        {'task': 'mrpc', 'epochs': 3, 'stop_after': 2}
    """
    unsaid = {name: value for name, value in BEFORE.items() if name not in settings}
    said = {name: value for name, value in settings.items() if name != ELSEWHERE} | unsaid
    return {
        name: value for name, value in said.items() if name not in _IDLE or not _IDLE[name](said)
    }


def begun_with(settings: RunSettings, checksums: Mapping[str, str]) -> dict[str, Any]:
    """What a run is begun with: its settings but for where the data lie, and the data's checksums."""
    said = {name: value for name, value in asdict(settings).items() if name != ELSEWHERE}
    return said | {"data_sha256": dict(checksums)}


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
