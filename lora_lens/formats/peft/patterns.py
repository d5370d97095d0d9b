"""PEFT's ``rank_pattern`` and ``alpha_pattern``: the first entry that matches the end of a module's path.

PEFT has had three rules of what matches: `Rule`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import AdapterError
from .bounded_expressions import Budget, Expression, expression

_MOST = 1_000_000  # expressions tried on paths


@dataclass(frozen=True)
class Rule:
    """What PEFT puts around an entry, for an expression that is to match a path from its start.

    Attributes:
        before: What stands before the entry.
        after: What stands after it.
        at_start: Whether an entry of letters and dots may begin where the path does.
    """

    before: str
    after: str
    at_start: bool = True


TODAY = Rule(r"(.*\.)?(", ")$")
# Without the parentheses ``q|v`` is another expression: it meets no v behind a dot.
LYCORIS_BEFORE_0_15 = Rule(r"(.*\.)?", "$")
# FourierFT's and C3A's, to this day; an entry that is the whole path they find by its letters.
AFTER_A_DOT = Rule(r".*\.", "$", at_start=False)


@dataclass(frozen=True)
class Patterns:
    """Entries in their order, and where to look for those that can match a path.

    An adapter may have an entry for each of thousands of modules, so that not every one is tried on
    every path.

    Attributes:
        entries: Expression and value.
        general: Position → expression of the entries that are tried on every path.
        literal: Length of an entry of letters and dots → what follows its last dot → positions.
        budget: Of what is tried.
        rule: By which they match.
    """

    entries: tuple[tuple[str, Any], ...]
    general: Mapping[int, Expression]
    literal: Mapping[int, Mapping[str, list[int]]]
    budget: Budget
    rule: Rule = TODAY

    def of(self, path: str, default: Any) -> Any:
        """The value of the first entry that matches the path from its start or from after a dot.

        Raises:
            AdapterError: The entries take too long.
        """
        first = self.first(path)
        return default if first is None else self.entries[first][1]

    def first(self, path: str) -> int | None:
        """The position of that entry; None where there is none. Raises as `of` does."""
        literal = min(self._candidates(path), default=None)
        general = (k for k, one in self.general.items() if one.matches(path))
        found = [k for k in (literal, next(general, None)) if k is not None]
        if not found and not self.rule.at_start:
            self.budget.spend(len(self.entries))
            return next((k for k, (text, _) in enumerate(self.entries) if text == path), None)
        return min(found, default=None)

    def are_two_of(self, path: str) -> bool:
        """Whether entries with different values match the path. Raises as `of` does."""
        positions = {k for k, one in self.general.items() if one.matches(path)}
        values = [self.entries[k][1] for k in positions.union(self._candidates(path))]
        return any(value != values[0] for value in values)

    def without_match(self, paths: Collection[str]) -> list[str]:
        """The entries that match none of the paths; of many expressions and many paths only the literal ones.

        Raises as `of` does.
        """
        found = {k for path in paths for k in self._candidates(path)}
        if len(self.general) * len(paths) > _MOST:
            found.update(self.general)
        for k, one in self.general.items():
            if k not in found and any(map(one.matches, paths)):
                found.add(k)
        return [text for k, (text, _) in enumerate(self.entries) if k not in found]

    def _candidates(self, path: str) -> Iterator[int]:
        """Literal entries as long as what follows some dot of the path, and of the same end."""
        if not self.literal:
            return
        whole = [0] if self.rule.at_start else []
        for start in [*whole, *(k + 1 for k, letter in enumerate(path) if letter == ".")]:
            ends = self.literal.get(len(path) - start, {})
            self.budget.spend(len(ends))
            for end, positions in ends.items():
                if path.endswith(end):
                    self.budget.spend(len(positions))
                    tail = path[start:]
                    yield from (k for k in positions if _matches(self.entries[k][0], tail))


def _matches(text: str, tail: str) -> bool:
    """Whether they are the same but where `text` has a dot, which means any letter."""
    return text == tail or (
        text.count(".") > tail.count(".")
        and all(a in (".", b) for a, b in zip(text, tail, strict=True))
    )


def patterns_of(said: Any, rule: Rule = TODAY) -> Patterns:
    """The patterns of a setting.

    Args:
        said: The setting; None has no entries.
        rule: By which they match.

    Raises:
        AdapterError: It is no mapping, or an entry no regular expression, or one that may take for ever.
    """
    if not isinstance(said, (Mapping, type(None))):
        raise AdapterError(f"a rank or alpha pattern is {said!r}, expected names to numbers")
    entries = tuple((said or {}).items())
    budget = Budget()
    general: dict[int, Expression] = {}
    literal: dict[int, dict[str, list[int]]] = {}
    for position, (text, _) in enumerate(entries):
        if re.fullmatch(r"[\w.]+", text):
            ends = literal.setdefault(len(text), {})
            ends.setdefault(text.rpartition(".")[2], []).append(position)
        else:
            general[position] = expression(text, rule.before, rule.after, budget)
    return Patterns(entries, general, literal, budget, rule)
