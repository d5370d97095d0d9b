"""Adapters that are in a survey more than once: uploaded again under another name, or named by folder and by file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from ..several import counted
from ..show.wording import listed
from .planning import Plan

_SHOWN = 3  # groups of copies, and names of a group


Copies = tuple[tuple[str, ...], ...]  # groups of names


def copies_in(plan: Plan) -> Copies:
    """Names of adapters that have the same numbers at the same places, in the order given; of each such group one is no copy."""
    numbers: defaultdict[int, list[tuple[int, str]]] = defaultdict(list)
    for position, task in enumerate(plan.tasks):
        for piece in task.place.pieces:
            numbers[piece.adapter].append((position, piece.digest))
    alike: defaultdict[tuple[tuple[int, str], ...], list[str]] = defaultdict(list)
    for adapter in sorted(numbers):
        alike[tuple(numbers[adapter])].append(plan.names[adapter])
    return tuple(tuple(names) for names in alike.values() if len(names) > 1)


def copies_said(found: Copies) -> Iterator[str]:
    """A note, where there are some."""
    if not found:
        return
    count = sum(map(len, found)) - len(found)
    groups = "; ".join(map(_named, found[:_SHOWN])) + ("; …" if len(found) > _SHOWN else "")
    yield (
        f"{counted(count, 'adapter')} ha{'s' if count == 1 else 've'} the same numbers as another at every place ({groups}), and "
        f"count{'s' if count == 1 else ''} beside it: φ between copies is 1, and means, shared directions, clusters and what is far go by all "
        f"of them; leave copies out to count each adapter once"
    )


def _named(names: tuple[str, ...]) -> str:
    if len(names) <= _SHOWN:
        return listed(names)
    return f"{', '.join(names[:_SHOWN])} and {len(names) - _SHOWN} more"
