"""What a report will take: a forecast by question, corrected by those that are done."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ..show.ahead import Ahead


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
    """Told of each part as it ends.

    Parts of a question are taken to be wrong by the same factor, which is seen as soon as one of them is done.

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

    def next(self) -> Ahead:
        """The next part has ended."""
        now = self.clock()
        self._taken.append(now - self._last)
        self._last = now
        return self.ahead

    @property
    def ahead(self) -> Ahead:
        """As it looks now."""
        done, spent = len(self._taken), sum(self._taken)
        left = sum(self._factor(one.question) * one.seconds for one in self.parts[done:])
        share = spent / (spent + left) if left else 1.0
        return Ahead(done, len(self.parts), share, left)

    def _factor(self, question: str) -> float:
        """How many times as long as was forecast this question has taken so far; 1 before it was asked."""
        pairs = zip(self.parts, self._taken, strict=False)
        known = [(one.seconds, taken) for one, taken in pairs if one.question == question]
        forecast = sum(seconds for seconds, _ in known)
        return sum(taken for _, taken in known) / forecast if forecast else 1.0
