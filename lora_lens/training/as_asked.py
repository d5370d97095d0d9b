"""Whether what is there of a run or a search was made with what is asked for now: the one answer to that."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from .settings import RunSettings

ELSEWHERE = (
    "data"  # where the data lie does not decide a result; what is in them does, and is compared
)
# What every run was made with before it could be asked for: records from then do not say it.
BEFORE: Mapping[str, Any] = {"stop_after": None, "head": "zero"}


class Difference(NamedTuple):
    """What is asked for and what was made, of the first setting in which they differ; None of one that is not said."""

    name: str
    made: Any
    asked: Any


def deciding(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What of a run's settings decides its numbers; of a record from before some could be asked for, with these.

    Example:
        >>> deciding({"data": "glue", "head": "mean"})
        {'head': 'mean', 'stop_after': None}
    """
    unsaid = {name: value for name, value in BEFORE.items() if name not in settings}
    return {name: value for name, value in settings.items() if name != ELSEWHERE} | unsaid


def asked_of_run(settings: RunSettings, checksums: Mapping[str, str]) -> dict[str, Any]:
    """What decides a run's numbers: its settings, and the data's checksums."""
    return deciding(asdict(settings)) | {"data_sha256": dict(checksums)}


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
