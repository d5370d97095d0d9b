"""Paths of one module in models that stand in others: ``bert.encoder.layer.0…`` is ``encoder.layer.0…``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise


def roots(paths: set[str]) -> Mapping[str, str]:
    """Path to the shortest path that is an end of it; a path that ends several different ones stands alone.

    Example:
        >>> sorted(roots({"bert.layer.0.q", "layer.0.q"}).items())
        [('bert.layer.0.q', 'layer.0.q'), ('layer.0.q', 'layer.0.q')]
    """
    above: dict[str, list[str]] = {}
    for path in sorted(paths):
        for end in _ends(path):
            if end in paths:
                above.setdefault(end, []).append(path)
    ambiguous = {end for end, longer in above.items() if not _chain(longer)}
    found = {}
    for path in paths:
        ends = [end for end in _ends(path) if end in paths and end not in ambiguous]
        found[path] = ends[-1] if ends else path
    return found


def _ends(path: str) -> list[str]:
    """What is left of a path without its first words, the longest first."""
    words = path.split(".")
    return [".".join(words[k:]) for k in range(1, len(words))]


def _chain(paths: Sequence[str]) -> bool:
    """Whether each of the paths is an end of the next longer one."""
    ordered = sorted(paths, key=len)
    return all(longer.endswith(f".{shorter}") for shorter, longer in pairwise(ordered))
