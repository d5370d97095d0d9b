"""Names as figures and tables have room for; files of numbers have them whole."""

from __future__ import annotations

from collections.abc import Sequence

MOST_LETTERS = 40


def elided(names: Sequence[str], most: int = MOST_LETTERS) -> list[str]:
    """Names of at most so many letters: the middle is left out of longer ones.

    Different names stay different: those that would be alike have a number in the place of the middle, in
    their order.

    Args:
        names: Whole.
        most: Letters of a name, 12 at least.

    Example:
        >>> elided(["short", "a-name-of-many-letters-8"], 15)
        ['short', 'a-name-…tters-8']
        >>> elided(["a-name-of-many-letters-8", "a-name-of-more-letters-8"], 15)
        ['a-name…1…ters-8', 'a-name…2…ters-8']
    """
    whole = list(dict.fromkeys(names))
    known: dict[str, str] = {}
    taken = {name for name in whole if len(name) <= most}
    alike: dict[str, list[str]] = {}
    for name in whole:
        alike.setdefault(_without_middle(name, most, "…"), []).append(name)
    for short, those in alike.items():
        number = 0
        for name in those:
            shown = short if len(those) == 1 else name
            while len(shown) > most or (shown != name and shown in taken):
                number += 1
                shown = _without_middle(name, most, f"…{number}…")
            taken.add(shown)
            known[name] = shown
    return [known[name] for name in names]


def _without_middle(name: str, most: int, middle: str) -> str:
    if len(name) <= most:
        return name
    kept = most - len(middle)
    return name[: kept - kept // 2] + middle + name[len(name) - kept // 2 :]
