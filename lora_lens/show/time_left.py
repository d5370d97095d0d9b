"""How far a long computation is, and how that is said: as coarsely as it is known."""

from __future__ import annotations

from typing import NamedTuple

_UNITS = (("second", 1), ("minute", 60), ("hour", 3600), ("day", 86400))
_STEPS = (1, 2, 3, 5, 10, 15, 20, 30, 45)
_FEW = 5  # seconds


class TimeLeft(NamedTuple):
    """How far it is.

    Attributes:
        done, parts: Of what it consists of.
        share: Of the time that all will take, 0 to 1.
        seconds: That the rest will take.
    """

    done: int
    parts: int
    share: float
    seconds: float


def foretold(ahead: TimeLeft) -> str:
    """``8 parts, about 2 minutes``: before it begins."""
    return f"{ahead.parts} part{'s' * (ahead.parts != 1)}, {roughly(ahead.seconds)}"


def left(ahead: TimeLeft) -> str:
    """``3/8, about 1 minute left``: while it goes on; ``8/8, writing`` when all parts are done."""
    if ahead.done == ahead.parts:
        return f"{ahead.done}/{ahead.parts}, writing"
    return f"{ahead.done}/{ahead.parts}, {roughly(ahead.seconds)} left"


def roughly(seconds: float) -> str:
    """In one digit or so: a forecast is right within a factor, and more digits would say otherwise.

    Example:
        >>> roughly(3), roughly(99), roughly(7000), roughly(1e6)
        ('a few seconds', 'about 2 minutes', 'about 2 hours', 'about 10 days')
    """
    if seconds <= _FEW:
        return "a few seconds"
    lengths = [(unit, number) for unit, _ in _UNITS for number in _of(unit)]
    unit, number = min(lengths, key=lambda one: _distance(one, seconds))
    return f"about {number} {unit}{'s' * (number > 1)}"


def _of(unit: str) -> tuple[int, ...]:
    """Numbers of a unit that are said: below one of the next; of days any."""
    if unit == "day":
        return (*_STEPS, *(10**k * step for k in (2, 3, 4) for step in (1, 2, 5)))
    return tuple(step for step in _STEPS if unit != "hour" or step < 24)


def _distance(length: tuple[str, int], seconds: float) -> float:
    """As a factor."""
    said = dict(_UNITS)[length[0]] * length[1]
    return max(said / seconds, seconds / said)
