"""A tensor that is in no update: why, for a person, and what it is taken for, for whoever computes with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class LeftOut:
    """Why no low-rank update is made of a tensor.

    Attributes:
        why: The reason, as people read it; nothing is decided by its words.
        kind: ``in full`` of one of a module that was trained in full, as the files say; ``unknown`` of one of which nothing tells
            what it is, so that it may be such a one; ``other`` of all that is something else. Of the first two a dense update is
            made, where the base has a W0 for it.
    """

    why: str
    kind: Literal["in full", "unknown", "other"] = "other"


def as_left_out(reason: str | LeftOut) -> LeftOut:
    """A reason alone is one of something else."""
    return LeftOut(reason) if isinstance(reason, str) else reason
