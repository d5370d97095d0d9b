"""Regular expressions of strangers, matched in a time that their length and the text's bound.

Python's `re` tries one way after another, and ``(a+)+b`` has more ways than there is time. Here all ways
are followed at once: the set of places in the text that can be reached grows with the text alone. An
expression with few ways is left to `re`, which is faster.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, NamedTuple

from ...errors import AdapterError

_parser: Any = import_module("re._parser")
_LONGEST = 2_000  # letters of an expression
_FEW = 1_000  # ways that `re` may try
_SLOWER = 10  # than `re` a step here is
_OF_A_REPEAT = 100  # ways of one repeat of a letter, as many as the text has letters


@dataclass
class Budget:
    """How many steps are left; a step is a letter looked at."""

    left: int = 50_000_000
    spent_on: str = ""

    def spend(self, steps: int) -> None:
        """Take steps away.

        Raises:
            AdapterError: There are none left.
        """
        self.left -= steps
        if self.left < 0:
            raise AdapterError(
                f"the patterns of the configuration take too long to match, {self.spent_on!r} for one; "
                f"expected few or simple ones: write the modules' paths out"
            )


@dataclass(frozen=True)
class Expression:
    """An expression that is to match from the start of a text.

    Attributes:
        text: As the configuration has it.
        parts: Its parts.
        fast: Of an expression with few ways.
        budget: Of all expressions of one configuration.
    """

    text: str
    parts: tuple[_Part, ...] = field(repr=False)
    fast: re.Pattern[str] | None
    budget: Budget

    def matches(self, text: str) -> bool:
        """Whether it does.

        Raises:
            AdapterError: It takes too long.
        """
        self.budget.spent_on = self.text
        if self.fast is not None:
            self.budget.spend(1)
            return self.fast.match(text) is not None
        try:
            return bool(_through(self.parts, text, {0}, self.budget))
        except RecursionError:
            raise AdapterError(
                f"the pattern {self.text!r} is nested too deeply; write the modules' paths out"
            ) from None


def expression(text: str, before: str, after: str, budget: Budget) -> Expression:
    """An expression between two of our own.

    Raises:
        AdapterError: It is none, too long, too deep, or one whose time cannot be bounded.
    """
    if len(text) > _LONGEST:
        raise AdapterError(
            f"the pattern {text!r} has {len(text):,} letters, expected at most {_LONGEST:,}"
        )
    budget.spent_on = text
    budget.spend(_SLOWER * len(text))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sets in sets
            parts = _read(_parser.parse(before + text + after))
            fast = re.compile(before + text + after) if _is_fast(text) else None
    except (re.error, OverflowError, RecursionError, ValueError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise AdapterError(f"the pattern {text!r} is no regular expression: {reason}") from None
    return Expression(text, parts, fast, budget)


def _is_fast(text: str) -> bool:
    try:
        return _ways(_read(_parser.parse(text))) <= _FEW
    except re.error:  # ``a)|(b`` is an expression between parentheses alone
        return False


class _Part(NamedTuple):
    """A part of an expression.

    Attributes:
        kind: As Python's parser names it.
        value: Of letters, which ones; of a place, which one.
        inner: The expressions within it.
        low, high: How often, of a repeat; of a look to either side, 1 or -1 and how far.
    """

    kind: str
    value: Any = None
    inner: tuple[tuple[_Part, ...], ...] = ()
    low: int = 0
    high: int = 0


_LETTERS = frozenset({"LITERAL", "NOT_LITERAL", "ANY", "IN"})
_REPEATS = frozenset({"MAX_REPEAT", "MIN_REPEAT"})
_LOOKS = frozenset({"ASSERT", "ASSERT_NOT"})


def _read(parsed: Any) -> tuple[_Part, ...]:
    """The parts of what Python's parser gives.

    Raises:
        re.error: One that is not known here, or whose time cannot be bounded.
    """
    if parsed.state.flags & ~int(re.UNICODE):
        raise re.error("flags, as in (?i), are not read")
    return tuple(_part(str(kind), value) for kind, value in parsed)


def _part(kind: str, value: Any) -> _Part:
    if kind == "IN":
        return _Part(kind, tuple((str(name), one) for name, one in value))
    if kind in _LETTERS:
        return _Part(kind, value)
    if kind == "AT":
        return _Part(kind, str(value))
    if kind == "SUBPATTERN" and not (value[1] or value[2]):
        return _Part(kind, inner=(_read(value[3]),))
    if kind == "BRANCH":
        return _Part(kind, inner=tuple(map(_read, value[1])))
    if kind in _REPEATS:
        return _Part(kind, None, (_read(value[2]),), int(value[0]), int(value[1]))
    if kind in _LOOKS:
        direction, inner = value
        return _Part(kind, None, (_read(inner),), direction, int(inner.getwidth()[0]))
    raise re.error(
        f"{kind.lower()} can take for ever, or is not read; write the modules' paths out"
    )


def _ways(parts: tuple[_Part, ...]) -> int:
    """How many ways `re` may try at most, of each place to begin at; over `_FEW` no matter how many."""
    total = 1
    for part in parts:
        if part.kind in _REPEATS:
            (inner,) = part.inner
            if len(inner) != 1 or inner[0].kind not in _LETTERS:
                return _FEW + 1
            total *= min(part.high - part.low + 1, _OF_A_REPEAT)
        elif part.kind in _LOOKS:
            return _FEW + 1
        elif part.inner:
            total *= sum(map(_ways, part.inner))
        if total > _FEW:
            return total
    return total


def _through(parts: tuple[_Part, ...], text: str, places: set[int], budget: Budget) -> set[int]:
    """Where one can be behind an expression that begins at any of these places."""
    for part in parts:
        if not places:
            return places
        budget.spend(_SLOWER * (1 + len(places)))
        places = _step(part, text, places, budget)
    return places


def _step(part: _Part, text: str, places: set[int], budget: Budget) -> set[int]:
    kind = part.kind
    if kind in _LETTERS:
        return {k + 1 for k in places if k < len(text) and _is(kind, part.value, text[k])}
    if kind == "AT":
        return {k for k in places if _at(part.value, text, k)}
    if kind in _REPEATS:
        return _repeated(part, text, places, budget)
    if kind in _LOOKS:  # from each place by itself
        seen = {k for k in places if _seen(part, text, k, budget)}
        return seen if kind == "ASSERT" else places - seen
    return {k for one in part.inner for k in _through(one, text, places, budget)}


def _seen(part: _Part, text: str, place: int, budget: Budget) -> bool:
    (inner,) = part.inner
    if part.low > 0:
        return bool(_through(inner, text, {place}, budget))
    start = place - part.high  # `re` wants the width of a look behind fixed
    return start >= 0 and place in _through(inner, text, {start}, budget)


def _repeated(part: _Part, text: str, places: set[int], budget: Budget) -> set[int]:
    (inner,) = part.inner
    if part.low < 2 and part.high >= len(text) and len(inner) == 1 and inner[0].kind in _LETTERS:
        return _along(inner[0], text, places, part.low, budget)
    # Behind so many rounds every further one gives the same places, or none.
    rounds = len(text) + 2
    for _ in range(min(part.low, rounds)):
        places = _through(inner, text, places, budget)
        if not places:
            return places
    found, new = set(places), places
    for _ in range(min(part.high - part.low, rounds)):
        new = _through(inner, text, new, budget) - found
        if not new:
            break
        found |= new
    return found


def _along(part: _Part, text: str, places: set[int], low: int, budget: Budget) -> set[int]:
    """`_repeated` of a letter, any number of times: every place is walked over once."""
    budget.spend(len(text))
    found, end = set() if low else set(places), -1
    for place in sorted(places):
        if place <= end:  # on the way that was walked
            continue
        end = place
        while end < len(text) and _is(part.kind, part.value, text[end]):
            end += 1
        found |= set(range(place + 1, end + 1))
    return found


def _is(kind: str, value: Any, letter: str) -> bool:
    if kind == "ANY":
        return letter != "\n"
    if kind == "IN":
        negated = value[0][0] == "NEGATE"
        return negated != any(_is_of(name, one, letter) for name, one in value[negated:])
    return (ord(letter) == value) == (kind == "LITERAL")


def _is_of(name: str, value: Any, letter: str) -> bool:
    if name == "LITERAL":
        return ord(letter) == value
    if name == "RANGE":
        return bool(value[0] <= ord(letter) <= value[1])
    return _of_category(str(value), letter)


def _of_category(name: str, letter: str) -> bool:
    found = {
        "DIGIT": letter.isdecimal(),
        "SPACE": letter.isspace(),
        "WORD": letter.isalnum() or letter == "_",
    }[name.rpartition("_")[2]]
    return found != ("_NOT_" in name)


def _at(name: str, text: str, place: int) -> bool:
    if name.startswith("AT_BEGINNING"):
        return place == 0
    if name == "AT_END":
        return place == len(text) or text[place:] == "\n"
    if name == "AT_END_STRING":
        return place == len(text)
    sides = (text[place - 1 : place], text[place : place + 1])
    boundary = len({bool(side) and _of_category("WORD", side) for side in sides}) > 1
    return boundary == (name == "AT_BOUNDARY")
