"""A rank that is asked for, and above the adapters' own: no two have a φ."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import RankError
from .places import Place
from .settings import Settings

OF_PHI = frozenset({"pairs", "conversions"})  # questions that are of nothing else


def check_rank(settings: Settings, places: Sequence[Place]) -> None:
    """Refuse a rank at which nothing of what is asked is left.

    Raises:
        RankError: φ alone is asked for, and no place has two adapters of that rank.
    """
    why = why_no_phi(settings.rank, places)
    if why is not None and OF_PHI.issuperset(settings.questions):
        raise RankError(
            f"asked for {settings.rank} singular vectors, and {why}: there is no φ of any two; ask for a lower rank"
        )


def why_no_phi(rank: int | None, places: Sequence[Place]) -> str | None:
    """Why no two adapters can have a φ of so many singular vectors; None where two can, or no two are anywhere together."""
    together = [[piece.rank for piece in place.pieces] for place in places if len(place.pieces) > 1]
    if rank is None or not together or any(sorted(ranks)[-2] >= rank for ranks in together):
        return None
    most = max(piece.rank for place in places for piece in place.pieces)
    if most < rank:
        return f"all ranks are below {rank}, {most} at most"
    return f"no two adapters at one place have a rank of {rank} or more"
