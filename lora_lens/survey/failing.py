"""What is said of a survey of which places failed, or are not there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import LensError, OutputError
from ..several import counted
from .planning import Failed
from .task import PlaceTask


def failure(
    folder: Path, bad: Sequence[Failed], own: Sequence[PlaceTask], gone: Sequence[str] = ()
) -> LensError:
    """That places failed, the first with its reason.

    Args:
        folder: Of the survey.
        bad: Those that failed.
        own: All that were to be done.
        gone: Files of an earlier survey that were removed.
    """
    others = f", the others are in {folder}" if len(bad) < len(own) else ""
    removed = f" ({', '.join(gone)} of an earlier survey are removed)" if gone else ""
    return LensError(
        f"{len(bad)} of {len(own)} places failed{others}{removed}; the same command goes on "
        f"with them. {bad[0].module} {bad[0].layer}: {bad[0].reason}"
    )


def not_there(
    own: Sequence[PlaceTask], there: Sequence[PlaceTask], reasons: Mapping[str, str]
) -> list[Failed]:
    """Places that are not there, and why, without an adapter's name.

    Raises:
        OutputError: One was done, and is gone.
    """
    files = {task.file for task in there}
    missing = [task for task in own if task.file not in files]
    if gone := [task.place.label for task in missing if task.file not in reasons]:
        raise OutputError(
            f"{counted(len(gone), 'place')} ({gone[0]}{', …' if len(gone) > 1 else ''}) of {len(own)} that were done are no more in "
            f"{own[0].folder}: removed meanwhile, as by another survey in this folder; run this one again when that has ended, or in another folder"
        )
    return [Failed("", task.place.module, task.place.layer, reasons[task.file]) for task in missing]


def failed_lines(failed: Sequence[Failed]) -> tuple[tuple[str, str], ...]:
    """Each adapter or place, and why."""
    return tuple((one.adapter or f"{one.module} {one.layer}", one.reason) for one in failed)
