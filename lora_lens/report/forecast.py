"""What a report will take: a forecast by question, corrected by those that are done."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ..show.time_left import TimeLeft


class Part(NamedTuple):
    """One question about one module.

    Attributes:
        question: Its name.
        seconds: Forecast.
    """

    question: str
    seconds: float


@dataclass
class Forecast:
    """Told of each part as it goes on, and as it ends.

    Parts of a question are taken to be wrong by the same factor, which is seen as soon as one of them is done. What
    is left of a part that goes on is said by the time that it has taken as far as it is done, and as far as it is not
    by the forecast.

    Attributes:
        parts: In the order in which they are asked.
        clock: Seconds.

    Example:
        >>> clock = iter([0.0, 6.0]).__next__
        >>> forecast = Forecast([Part("shared", 2.0), Part("shared", 4.0)], clock)
        >>> forecast.ahead.seconds, forecast.next().seconds  # it took three times as long
        (6.0, 12.0)
    """

    parts: Sequence[Part]
    clock: Callable[[], float] = time.monotonic
    _taken: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._last = self.clock()

    def next(self) -> TimeLeft:
        """The next part has ended."""
        now = self.clock()
        self._taken.append(now - self._last)
        self._last = now
        return self.ahead

    def within(self, done: int, total: int) -> TimeLeft:
        """The next part goes on: so much of it is done, of so much.

        Example:
            >>> clock = iter([0.0, 3.0]).__next__
            >>> forecast = Forecast([Part("shared", 4.0), Part("shared", 4.0)], clock)
            >>> forecast.within(1, 2).seconds  # half of it 3 s more, half of it 2, of half a part; and the other
            6.5
        """
        now, open_share = self.clock() - self._last, 1 - min(1.0, done / max(1, total))
        expected, *others = self._expected()
        return self._ahead(now, open_share * (now + open_share * expected) + sum(others))

    @property
    def ahead(self) -> TimeLeft:
        """As it looks now, where no part goes on."""
        return self._ahead(0.0, sum(self._expected()))

    def _ahead(self, now: float, left: float) -> TimeLeft:
        spent = sum(self._taken) + now
        share = spent / (spent + left) if left else 1.0
        return TimeLeft(len(self._taken), len(self.parts), share, left)

    def _expected(self) -> list[float]:
        """Seconds of each part that has not ended, as far as is known of its question."""
        done = len(self._taken)
        forecast: dict[str, float] = {}
        taken: dict[str, float] = {}
        for one, seconds in zip(self.parts, self._taken, strict=False):
            forecast[one.question] = forecast.get(one.question, 0.0) + one.seconds
            taken[one.question] = taken.get(one.question, 0.0) + seconds
        factors = {name: taken[name] / total if total else 1.0 for name, total in forecast.items()}
        return [factors.get(one.question, 1.0) * one.seconds for one in self.parts[done:]]
