"""Whether more epochs still help: runs beside those of more epochs."""

from __future__ import annotations

from collections.abc import Sequence

from ....show.layout import NONE, Table, signed
from ...experiment.paper import NAMES, TASK_NAMES
from ...numbers.longer import ENOUGH, LongerRun


def longer_table(found: Sequence[LongerRun]) -> Table:
    """A row a pair of runs, in percent."""
    unused = any(one.change_unused is not None for one in found)
    rows = [
        [
            TASK_NAMES[one.task],
            NAMES[one.method],
            str(one.seed),
            f"{one.epochs:g}",
            _percent(one.development),
            _percent(one.test),
            f"{one.longer_epochs:g}" if one.longer_ended is None else _ended(one),
            _percent(one.longer_development),
            _percent(one.longer_test),
            signed(100 * one.gain, 1),
            one.verdict,
            *([_change(one)] if unused else []),
        ]
        for one in found
    ]
    once, longer = ["epochs", "development", "test"], ["epochs, longer", "development", "test"]
    return Table(
        "Whether more epochs still help: a run beside one of more epochs, all else equal; scores in "
        "percent, the gain in points of the development score. A run is finished if that is below "
        f"{100 * ENOUGH:g}",
        [
            "task",
            "method",
            "seed",
            *once,
            *longer,
            "gain",
            "verdict",
            *(["unused rows"] if unused else []),
        ],
        rows,
    )


def _change(one: LongerRun) -> str:
    change = one.change_unused
    return NONE if change is None else signed(100 * change, 1)


def _ended(one: LongerRun) -> str:
    return f"{one.longer_ended:g} of {one.longer_epochs:g}"


def _percent(score: float) -> str:
    return f"{100 * score:.1f}"
