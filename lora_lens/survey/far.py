"""Who is far from the others, in words: with what would go unseen, and by which assumption."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..chance.significance import LEVEL
from ..core.many_adapters.robust import FEWEST, least_far_z
from ..several import counted
from ..show.layout import number
from ..show.wording import few, listed
from .all_pairs.phi import FoundPairs
from .joined_outlying import NONE, OutlyingRows, alone
from .planning import Plan
from .task import PlaceTask

_SEEN = 10.0  # robust z that enough adapters are to show
_MANY = 1_000
_SHOWN = 3  # names of a family
_OF_PHI = "phi "  # begins the quantities that are of φ; what follows is the matrix


@dataclass(frozen=True)
class WhoIsFar:
    """Who is far, made once for all that is said of it.

    Attributes:
        far: The rows of those that are far, the farthest first.
        seen: What would have been seen, as `_seen` has it.
        adapters: How many have a row at all.
        among: The most that one was compared among.
        of_phi: Whether any row is of φ.
    """

    far: Sequence[dict[str, Any]]
    seen: dict[str, Any]
    adapters: int = 0
    among: int = 0
    of_phi: bool = False


def outlying_of(rows: OutlyingRows, plan: Plan, tasks: Sequence[PlaceTask]) -> WhoIsFar | None:
    """Of rows with p corrected over all; None of none."""
    if not len(rows):
        return None
    return WhoIsFar(
        _far(rows, plan, tasks),
        _seen(rows),
        len(np.unique(rows.adapter)),
        int(rows.among.max()),
        any(name.startswith(_OF_PHI) for name in rows.quantities),
    )


def _far(rows: OutlyingRows, plan: Plan, tasks: Sequence[PlaceTask]) -> list[dict[str, Any]]:
    """Those rows whose p is below the level, the farthest first."""
    far = np.flatnonzero(rows.p_holm <= LEVEL)
    table = rows.table(plan, tasks, far[np.lexsort((-np.abs(rows.z[far]), rows.p_holm[far]))])
    found: list[dict[str, Any]] = [] if table is None else table.to_pylist()
    return found


def _seen(rows: OutlyingRows) -> dict[str, Any]:
    """From which robust z on one alone would be called far, among how many, and how many would do.

    Returns:
        ``level``; ``comparisons``, how many p are corrected together; ``least_z``, for every number of adapters that one
        was compared among: ``among``, ``comparisons`` of these and ``z``; ``by_norm_alone``, how many adapters have too
        few of their rank beside them at a place; ``enough``, the fewest adapters whose ``z`` is at most 10, of as many
        comparisons each, None where no thousand are.
    """
    among, tested = np.unique(rows.among[np.isfinite(rows.p)], return_counts=True)
    comparisons = int(tested.sum())
    return {
        "level": LEVEL,
        "comparisons": comparisons,
        "least_z": [
            {"among": n, "comparisons": own, "z": least_far_z(n, comparisons, LEVEL)}
            for n, own in zip(among[::-1].tolist(), tested[::-1].tolist(), strict=True)
        ],
        "by_norm_alone": alone(rows),
        "enough": {"z": _SEEN, "adapters": _enough(rows)},
    }


def _enough(rows: OutlyingRows) -> int | None:
    each = len(rows) / len(np.unique(rows.adapter))
    if (rows.place != NONE).all():  # too few have no row of all places
        places = len(np.unique(rows.place))
        each *= 1 + 1 / places if places > 1 else 1
    for n in range(FEWEST, _MANY):
        if least_far_z(n, round(n * each), LEVEL) <= _SEEN:
            return n
    return None


def said(found: WhoIsFar, *, without_phi: bool) -> Iterator[str]:
    """A sentence of who is far, and of what would go unseen; none where nothing can be said.

    Args:
        found: Who is far.
        without_phi: Whether φ was asked for and is of no two, so that the norm and the effective rank alone are compared.
    """
    known = found.seen
    if found.adapters < 2:
        return
    if not known["comparisons"]:
        if found.among < FEWEST:
            yield "There are too few adapters to call any far."
        return
    names = {row["adapter"] for row in found.far}
    least = [known["least_z"][0]]
    if (last := known["least_z"][-1]) is not least[0]:
        least.append(last)
    blind = " or ".join(f"under {number(one['z'], 1)} among {one['among']}" for one in least)
    who = counted(len(names), "adapter") if names else "No adapter"
    what = " in norm or effective rank" if without_phi else ""
    yield (
        f"{who} {'are' if len(names) > 1 else 'is'} far from the others{what}; one alone with a robust z {blind} would go unseen."
    )


def notes_on_far(found: WhoIsFar) -> Iterator[str]:
    """What the level is of, who is compared by less, and how many adapters would do."""
    known = found.seen
    if found.adapters < 2:
        return
    enough = known["enough"]["adapters"]
    if enough and (not known["comparisons"] or known["least_z"][0]["z"] > 2 * _SEEN):
        yield f"{enough} adapters are enough for one with a robust z of {_SEEN:.0f} to be called far"
    if few := known["by_norm_alone"]:
        yield (
            f"{counted(few, 'adapter')} {'is' if few == 1 else 'are'} compared by the norm alone somewhere, for fewer than {FEWEST} there have "
            f"{'its' if few == 1 else 'their'} rank"
        )
    if known["comparisons"]:
        yield (
            f"who is far from the others is tested at {LEVEL} over all of {known['comparisons']:,} comparisons (Holm); the level is of quantities that "
            f"are Gaussian among adapters of one law: where they have heavier tails, as where one direction of W0 outweighs the rest, more are named"
        )


def notes_on_families(
    found: WhoIsFar, pairs: Sequence[FoundPairs], names: Mapping[int, str]
) -> Iterator[str]:
    """Which of those that are far by φ are each other's nearest: a family of its own is no stray.

    Args:
        found: Who is far.
        pairs: Of each matrix; without them it cannot be told who is whose nearest.
        names: Number of an adapter to its name.
    """
    numbers = {name: number for number, name in names.items()}
    far: dict[str, set[int]] = {}
    for row in found.far:
        if row["quantity"].startswith(_OF_PHI):
            matrix = row["quantity"].removeprefix(_OF_PHI)
            far.setdefault(matrix, set()).add(numbers[row["adapter"]])
    known = {one.matrix: one for one in pairs}
    families: dict[tuple[int, ...], list[str]] = {}
    for matrix, own in far.items():
        if len(own) > 1 and matrix in known:
            chance = known[matrix].by_chance or 0.0
            if together := known[matrix].nearest.among(own, chance):
                families.setdefault(tuple(sorted(together)), []).append(matrix)
    for family, matrices in families.items():
        who = few((names[each] for each in family), _SHOWN)
        yield (
            f"{who} are far from the others by φ of {listed(sorted(matrices))}, and each other's nearest: they look like a family of "
            f"their own, as of another start, not like strays"
        )
    unknown = sorted(matrix for matrix, own in far.items() if len(own) > 1 and matrix not in known)
    if unknown:
        yield (
            f"several adapters are far from the others by φ of {listed(unknown)}: the question pairs, asked with outlying, tells whether "
            f"they are one family or strays"
        )
