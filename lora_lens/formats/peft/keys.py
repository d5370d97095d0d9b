"""Keys of PEFT's patterns, which should match one module path each, and what it is to leave out."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from ...files.names import tails

_PLAIN = re.compile(r"[\w.-]+")


def pattern_keys(paths: Sequence[str]) -> dict[str, str]:
    r"""Each path's key: itself; anchored and escaped where PEFT would take it for another path too.

    PEFT matches ``(.*\.)?(KEY)$``, so a path is found by another's key where it ends in it after a
    dot; a dot in a key stands for any letter. Time grows with the number of paths, times how many
    ways there are to place the dots.

    Example:
        >>> pattern_keys(["layers.1.q", "encoder.layers.1.q"])
        {'layers.1.q': '^layers\\.1\\.q', 'encoder.layers.1.q': 'encoder.layers.1.q'}
    """
    ends: defaultdict[int, list[str]] = defaultdict(list)
    for path in paths:
        for tail in tails(path):
            ends[len(tail)].append(tail)
    found: dict[tuple[int, ...], Counter[str]] = {}
    return {path: path if _alone(path, ends, found) else f"^{re.escape(path)}" for path in paths}


def exclusion(excluded: Sequence[str], kept: Sequence[str]) -> list[str] | str:
    r"""PEFT's ``exclude_modules`` for these paths: themselves; one expression where a path of those kept ends in one.

    PEFT leaves out what is in a list or ends, after a dot, in what is; of a string, what matches the whole of it.

    Example:
        >>> exclusion(["layers.1.q"], ["layers.11.q"])
        ['layers.1.q']
        >>> exclusion(["layers.1.q"], ["encoder.layers.1.q"])
        '(layers\\.1\\.q)'
    """
    ends = {tail for path in kept for tail in tails(path)}
    if ends.isdisjoint(excluded):
        return list(excluded)
    return f"({'|'.join(map(re.escape, excluded))})"


def as_saved(alpha: float) -> float:
    """An integer where it is one but for rounding, as PEFT's own files have it.

    Example:
        >>> as_saved(2.0000000000000004), as_saved(0.5)
        (2, 0.5)
    """
    return round(alpha) if abs(alpha - round(alpha)) < 1e-9 * max(1.0, abs(alpha)) else alpha


def _alone(
    path: str, ends: dict[int, list[str]], found: dict[tuple[int, ...], Counter[str]]
) -> bool:
    """Whether the path as a key matches itself alone; `found` keeps what was counted."""
    if not _PLAIN.fullmatch(path):  # it may be no expression at all
        return False
    dots = (*(k for k, letter in enumerate(path) if letter == "."), len(path))
    if dots not in found:
        found[dots] = Counter(_between(tail, dots) for tail in ends[len(path)])
    return found[dots][_between(path, dots)] == 1


def _between(text: str, dots: tuple[int, ...]) -> str:
    """The text without the letters at the dots' places; the last of them is its end."""
    starts = (0, *(k + 1 for k in dots[:-1]))
    return "".join(text[start:stop] for start, stop in zip(starts, dots, strict=True))
