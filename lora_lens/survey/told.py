"""A survey as JSON: all of it, and of a shard what is known before the others are there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import __version__
from ..labelled import finite
from .joined import Joined
from .planning import Failed, Plan


def told(
    plan: Plan,
    joined: Joined,
    failed: Sequence[Failed],
    said: str,
    places: int,
    notes: Sequence[str],
) -> dict[str, Any]:
    """Of a survey whose places are joined."""
    return finite({
        "summary": said,
        "adapters": len(plan.adapters),
        "places": places,
        **_asked(plan),
        "by_place": joined.places,
        "closest": {
            pairs.matrix: [{"one": one, "other": other, "phi": phi, "z": z} for one, other, phi, z in pairs.closest]
            for pairs in joined.pairs
        },
        "clusters": {one.matrix: one.told() for one in joined.families},
        "subspace": joined.subspace,
        "outlying": joined.outlying.far if joined.outlying else [],
        "outlying_seen": joined.outlying.seen if joined.outlying else None,
        "merges": joined.merges,
        "failed": _rows(failed),
        "files": joined.files,
        "notes": list(notes),
        **_made(plan),
    })  # fmt: skip


def told_of_shard(plan: Plan, failed: Sequence[Failed], said: str, missing: int) -> dict[str, Any]:
    """Of one whose places are not all there, and of which no tables are made.

    Args:
        plan: Of the survey.
        failed: What is left out so far.
        said: Its sentence.
        missing: How many places are not there.
    """
    return {
        "summary": said,
        "adapters": len(plan.adapters),
        "places": len(plan.tasks),
        "missing": missing,
        **_asked(plan),
        "failed": _rows(failed),
        "files": [],
        "notes": [],
        **_made(plan),
    }


def _asked(plan: Plan) -> dict[str, Any]:
    settings = plan.settings
    return {
        "questions": list(settings.questions),
        "rank": settings.rank,
        "convention": settings.convention,
        "base": plan.base,
        "base_commit": plan.base_commit,
        "draws": settings.draws,
    }


def _rows(failed: Sequence[Failed]) -> list[dict[str, Any]]:
    return [
        {"adapter": one.adapter, "module": one.module, "layer": one.layer, "reason": one.reason}
        for one in failed
    ]


def _made(plan: Plan) -> dict[str, Any]:
    """What every question's JSON ends with; nothing here is a verdict."""
    return {"findings": [], "seed": plan.settings.seed, "version": __version__}
