"""PEFT's ``rank_pattern`` and ``alpha_pattern``: the first entry that matches the end of a module's path."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import AdapterError
from .bounded_expressions import Budget, Expression, expression

_MOST = 1_000_000  # expressions tried on paths


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
    """

    entries: tuple[tuple[str, Any], ...]
    general: Mapping[int, Expression]
    literal: Mapping[int, Mapping[str, list[int]]]
    budget: Budget

    def of(self, path: str, default: Any) -> Any:
        """The value of the first entry that matches the path from its start or from after a dot.

        Raises:
            AdapterError: The entries take too long.
        """
        literal = min(self._candidates(path), default=None)
        general = (k for k, one in self.general.items() if one.matches(path))
        first = min((k for k in (literal, next(general, None)) if k is not None), default=None)
        return default if first is None else self.entries[first][1]

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
        for start in [0, *(k + 1 for k, letter in enumerate(path) if letter == ".")]:
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


def patterns_of(said: Any) -> Patterns:
    """The patterns of a setting.

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
            general[position] = expression(text, r"(.*\.)?(", ")$", budget)
    return Patterns(entries, general, literal, budget)
