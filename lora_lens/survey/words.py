"""What is said of a survey: one sentence and a few tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from ..show.layout import NONE, Table, beside, counted, layer_number, number, p_value
from ..show.many_rows import condensed
from .all_pairs.phi import FoundPairs
from .copies import Copies
from .far import said as said_of_far
from .joined import Joined
from .planning import Failed, Plan

_MOST = 12  # rows of a table for people
_DIRECTIONS = ("shared", "mean adapter", "shared beside the mean", "start", "random adapters")


def summary(
    plan: Plan, joined: Joined, failed: Sequence[Failed], places: int, copies: Copies
) -> str:
    """What is seen, in one sentence."""
    twice = sum(len(names) - 1 for names in copies)
    of_these = (
        f", {twice} of them {'copies' if twice > 1 else 'a copy'} of others," if twice else ""
    )
    parts = [f"{counted(len(plan.adapters), 'adapter')}{of_these} at {counted(places, 'place')}"]
    if places < len(plan.tasks):
        parts.append(
            f"{len(plan.tasks) - places} of {counted(len(plan.tasks), 'place')} failed, and nothing here is of them"
        )
    given = any(task.start is not None for task in plan.tasks)
    for matrix in ("A", "B"):
        rows = [row for row in joined.places if row["matrix"] == matrix]
        if rows:
            parts.append(_alike(matrix, rows, start_given=given))
    parts += _held(joined.subspace, _usual_rank(plan), start_given=given)
    if joined.outlying and (verdict := said_of_far(joined.outlying)) is not None:
        parts.append(verdict)
    if (cross := _mean(joined.merges, "cross_energy")) is not None:
        said = number(cross, 2, plus=True).replace("-", "−")
        parts.append(f"in the sum of all, cross terms are {said} of the parts' energy")
    left = len({one.adapter for one in failed if one.module is None})
    if left:
        parts.append(f"{left} not read")
    if nowhere := len(plan.names) - len(plan.adapters):
        parts.append(f"{nowhere} of another shape everywhere")
    return "; ".join(parts) + "."


def _usual_rank(plan: Plan) -> int:
    ranks = Counter(piece.rank for task in plan.tasks for piece in task.place.pieces)
    return ranks.most_common(1)[0][0]


def _alike(matrix: str, rows: Sequence[dict[str, Any]], *, start_given: bool) -> str:
    """φ beside its nulls; those that only some places have stand beside φ of these."""
    phi, unrelated = (_mean(rows, name) for name in ("phi", "gaussian_mean"))
    # The span of a mean A is near a common start, if there was one, and holds what all have learnt as well.
    start = "their start" if start_given else "the span of their mean A, start or learnt"
    at: dict[tuple[int, ...], list[str]] = {
        tuple(range(len(rows))): [f"unrelated ones {number(unrelated)}"]
    }
    for null, what in (("start", start), ("mean_adapter", "the mean ΔW's directions")):
        known = tuple(k for k, row in enumerate(rows) if row.get(f"{null}_mean") is not None)
        if known:
            mean = _mean([rows[k] for k in known], f"{null}_mean")
            at.setdefault(known, []).append(f"{number(mean)} if alike only in {what}")
    whole, *some = at.items()
    said = f"φ of {matrix} between two is {number(phi)} ({', '.join(whole[1])})"
    for known, nulls in some:
        places = f"{len(known)} of {counted(len(rows), 'place')}"
        said += (
            f", at {places} {number(_mean([rows[k] for k in known], 'phi'))} ({', '.join(nulls)})"
        )
    return said


def _mean(rows: Sequence[dict[str, Any]], name: str) -> float | None:
    known = [row[name] for row in rows if row.get(name) is not None and np.isfinite(row[name])]
    return float(np.mean(known)) if known else None


def _held(rows: Sequence[dict[str, Any]], rank: int, *, start_given: bool) -> list[str]:
    """What as many directions as the usual rank hold, found by the others, of their mean and of their start."""
    at: dict[str, dict[int, list[dict[str, Any]]]] = {name: {} for name in _DIRECTIONS}
    for row in rows:
        if row["side"] == "right" and row["left_out"] is not None:
            at[row["directions"]].setdefault(row["k"], []).append(row)
    places = {k: len(some) for k, some in at["shared"].items()}
    if not places:
        return []
    # At every place; a mean adapter has fewer directions than all of them together.
    of_both = {
        k: count for k, count in places.items() if len(at["mean adapter"].get(k, ())) == count
    }
    among = of_both or places
    k = min((k for k in among if among[k] == max(among.values())), key=lambda k: (abs(k - rank), k))
    held = _mean(at["shared"][k], "left_out")
    if held is None:
        return []
    said = [
        f"{counted(k, 'input direction')} shared by the others hold {number(held)} of an adapter's ΔW"
    ]
    start = "their start's" if start_given else "their mean A's"
    for name, whose in (("mean adapter", "the mean adapter's"), ("start", start)):
        some = at[name].get(k, [])
        if len(some) == places[k] and (share := _mean(some, "left_out")) is not None:
            said.append(f"{whose} {number(share)}")
    return [", ".join([*said, f"any {number(_mean(at['shared'][k], 'chance'))}"])]


def tables(joined: Joined, failed: Sequence[Failed]) -> tuple[Table, ...]:
    """For people."""
    return tuple(_tables(joined, failed))


def _among(pairs: int, by_chance: float | None) -> str:
    if pairs < 2 or by_chance is None:
        return f" ({counted(pairs, 'pair')})"
    return f" ({pairs:,} pairs; unrelated, the closest has z {by_chance:+.1f})"


def _tables(joined: Joined, failed: Sequence[Failed]) -> Iterator[Table]:
    if joined.places:
        yield _place_table(joined.places)
    for pairs in joined.pairs:
        if pairs.closest:
            rows = [
                [one, other, number(phi), number(z, 1, plus=True)]
                for one, other, phi, z in pairs.closest
            ]
            among = _among(pairs.count, pairs.by_chance)
            title = f"Closest in {pairs.matrix}, mean over the places{among}"
            yield Table(title, ["one", "other", "φ", "z"], rows)
    if clustered := [pairs for pairs in joined.pairs if pairs.tree.clusters]:
        yield _cluster_table(clustered)
    if joined.subspace:
        yield _subspace_table(joined.subspace)
    if joined.outlying and (outlying := joined.outlying.far):
        head = ["adapter", "module", "layer", "what", "value", "median", "z", "p (Holm)"]
        rows = [
            [
                row["adapter"], row["module"] or "all", layer_number(row["layer"]), row["quantity"],
                number(row["value"]), number(row["expected"]), number(row["z"], 1, plus=True),
                p_value(row["p_holm"]),
            ]
            for row in outlying[:_MOST]
        ]  # fmt: skip
        yield Table(f"Far from the others{_of(len(outlying))}", head, rows)
    if joined.merges:
        rows = [
            [row["module"], layer_number(row["layer"]), beside(row["cross_energy"], row["sd"]), number(row["z"], 1, plus=True)]
            for row in joined.merges
        ]  # fmt: skip
        head = ["module", "layer", "cross energy ± sd of unrelated ones", "z"]
        yield condensed(Table("Sum of all adapters", head, rows), most=_MOST, counted="places")
    if failed:
        rows = [
            [
                PurePath(one.adapter).name or NONE,
                one.module or "all",
                layer_number(one.layer),
                one.reason,
            ]
            for one in _each_first(failed)[:_MOST]
        ]
        yield Table(f"Left out{_of(len(failed))}", ["adapter", "module", "layer", "why"], rows)


def _each_first(failed: Sequence[Failed]) -> list[Failed]:
    """Every adapter's first line before any one's second: one of many places would hide the others."""
    seen: Counter[str] = Counter()
    turns = []
    for one in failed:
        turns.append(seen[one.adapter])
        seen[one.adapter] += 1
    return [failed[k] for k in sorted(range(len(failed)), key=turns.__getitem__)]


def _of(count: int) -> str:
    return f", {_MOST} of {count:,}" if count > _MOST else ""


def _place_table(rows: Sequence[dict[str, Any]]) -> Table:
    nulls = [
        name for name in ("start", "mean_adapter", "propagated")
        if any(row.get(f"{name}_mean") is not None for row in rows)
    ]  # fmt: skip
    head = ["module", "layer", "matrix", "adapters", "φ", "gaussian", "z"]
    body = [
        [
            row["module"], layer_number(row["layer"]), row["matrix"], str(row["adapters"]), number(row["phi"], 4),
            number(row["gaussian_mean"], 4), number(row["gaussian_z"], 1, plus=True),
            *(number(row.get(f"{name}_mean"), 4) for name in nulls),
        ]
        for row in rows
    ]  # fmt: skip
    head += [name.replace("_", " ") for name in nulls]
    by_place = Table("φ of all pairs by place", head, body)
    return condensed(by_place, most=4 * _MOST, counted="places")


def _cluster_table(clustered: Sequence[FoundPairs]) -> Table:
    rows = []
    for pairs in clustered:
        sizes = np.bincount(pairs.tree.clusters)[1:]
        several = sorted((int(size) for size in sizes if size > 1), reverse=True)
        listed = ", ".join(map(str, several[:_MOST])) + (" …" if len(several) > _MOST else "")
        rows.append([pairs.matrix, str(len(several)), listed or NONE, str(int((sizes == 1).sum()))])
    return Table(
        "Clusters of φ's mean over the places, taken as independent",
        ["matrix", "clusters", "sizes", "in none"],
        rows,
    )


def _subspace_table(rows: Sequence[dict[str, Any]]) -> Table:
    body = []
    for side in ("right", "left"):
        for name in _DIRECTIONS:
            for k in sorted({row["k"] for row in rows}):
                some = [r for r in rows if (r["side"], r["directions"], r["k"]) == (side, name, k)]
                if some:
                    values = [
                        number(_mean(some, what)) for what in ("fitted", "left_out", "chance")
                    ]
                    body.append([side, name, str(k), str(len(some)), *values])
    head = ["side", "directions", "k", "places", "fitted", "left out", "chance"]
    return Table(
        "Share of all adapters' ΔW that k directions hold, mean over the places", head, body
    )
