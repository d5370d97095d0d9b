"""The tables of a survey, for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from ..several import counted
from ..show.elided import elided
from ..show.layout import NONE, Table, beside, layer_number, number, p_value
from ..show.many_rows import condensed
from ..show.wording import few
from .all_pairs.phi import FoundPairs
from .families import Families
from .joined import Joined
from .planning import Failed
from .table_file import to_read
from .usual_k import usual_k

_MOST = 12  # rows of a table for people
_MEMBERS = 6  # names of a cluster
_ON_A_PAGE = 200  # of either in survey.md
DIRECTIONS = ("shared", "mean adapter", "shared beside the mean", "start", "random adapters")


def mean_of(rows: Sequence[dict[str, Any]], name: str) -> float | None:
    """Over the rows that have a number of that name; None where none has."""
    known = [row[name] for row in rows if row.get(name) is not None and np.isfinite(row[name])]
    return float(np.mean(known)) if known else None


def tables(
    joined: Joined, failed: Sequence[Failed], *, start_given: bool = False, rank: int | None = None
) -> tuple[Table, ...]:
    """For people.

    Args:
        joined: What the last step has made.
        failed: What is left out, and why.
        start_given: Whether ``start`` is of an adapter saved before any training, and not of a mean A.
        rank: The adapters' usual one, for as much as a terminal has room for: of many places least, median and most, and of shared
            directions the k that is nearest below it. Without it there is a row for every place and every k.
    """
    return tuple(_tables(joined, failed, "start" if start_given else "mean A", rank))


def _tables(
    joined: Joined, failed: Sequence[Failed], start: str, rank: int | None
) -> Iterator[Table]:
    of_places = _in_short if rank is not None else _in_full
    if joined.places:
        yield of_places(_place_table(joined.places, start))
    for pairs in joined.pairs:
        if pairs.closest:
            yield _closest_table(pairs)
    if joined.families:
        yield _cluster_table(joined.families, joined.files, whole=rank is None)
    if joined.subspace:
        k = None if rank is None else usual_k(joined.subspace, rank)
        yield _subspace_table(joined.subspace, start, k)
    if joined.outlying and joined.outlying.far:
        most = _MOST if rank is not None else _ON_A_PAGE
        yield _far_table(joined.outlying.far, most, joined.files)
    if joined.merges:
        yield of_places(_merges_table(joined.merges))
    if failed:
        yield _left_out_table(failed, joined.files)


def _closest_table(pairs: FoundPairs) -> Table:
    rows = [
        [one, other, number(phi), number(z, 1, plus=True)] for one, other, phi, z in pairs.closest
    ]
    among = _among(pairs.count, pairs.by_chance)
    title = f"Closest in {pairs.matrix}, mean over the places{among}"
    return Table(title, ["one", "other", "φ", "z"], rows)


def _among(pairs: int, by_chance: float | None) -> str:
    if pairs < 2 or by_chance is None:
        return f" ({counted(pairs, 'pair')})"
    return f" ({pairs:,} pairs; unrelated, the closest has z {by_chance:+.1f})"


def _far_table(far: Sequence[dict[str, Any]], most: int, files: Sequence[str]) -> Table:
    head = ["adapter", "module", "layer", "what", "value", "median", "z", "p (Holm)"]
    rows = [
        [
            row["adapter"], row["module"] or "all", layer_number(row["layer"]), row["quantity"],
            number(row["value"]), number(row["expected"]), number(row["z"], 1, plus=True),
            p_value(row["p_holm"]),
        ]
        for row in far[:most]
    ]  # fmt: skip
    where = _where(most, len(far), "outlying", files)
    return Table(f"Far from the others{_of(len(far), len(rows), where)}", head, rows)


def _where(shown: int, count: int, name: str, files: Sequence[str]) -> str | None:
    """Where all of so many are: on the page, where it has room for them and is not what is shown, else in a file."""
    return "survey.md" if shown < count <= _ON_A_PAGE else to_read(files, name)


def _merges_table(merges: Sequence[dict[str, Any]]) -> Table:
    head = ["module", "layer", "cross energy ± sd of unrelated B", "z"]
    rows = [
        [
            row["module"], layer_number(row["layer"]), beside(row["cross_energy"], row["sd"]),
            number(row["z"], 1, plus=True),
        ]
        for row in merges
    ]  # fmt: skip
    return Table("Sum of all adapters", head, rows)


def _left_out_table(failed: Sequence[Failed], files: Sequence[str]) -> Table:
    rows = [
        [PurePath(one.adapter).name or NONE, one.module or "all", layer_number(one.layer), one.reason]
        for one in _each_first(failed)[:_MOST]
    ]  # fmt: skip
    title = f"Left out{_of(len(failed), len(rows), to_read(files, 'failed'))}"
    return Table(title, ["adapter", "module", "layer", "why"], rows)


def _each_first(failed: Sequence[Failed]) -> list[Failed]:
    """Every adapter's first line before any one's second: one of many places would hide the others."""
    seen: Counter[str] = Counter()
    turns = []
    for one in failed:
        turns.append(seen[one.adapter])
        seen[one.adapter] += 1
    return [failed[k] for k in sorted(range(len(failed)), key=turns.__getitem__)]


def _of(count: int, shown: int, where: str | None) -> str:
    if count <= shown:
        return ""
    return f", {shown} of {count:,}{f'; each is in {where}' if where else ''}"


def _place_table(rows: Sequence[dict[str, Any]], start: str) -> Table:
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
    head += [start if name == "start" else name.replace("_", " ") for name in nulls]
    return Table("φ of all pairs by place", head, body)


def _cluster_table(families: Sequence[Families], files: Sequence[str], *, whole: bool) -> Table:
    rows, most, largest = [], _ON_A_PAGE if whole else _MEMBERS, 0
    for one in families:
        among = f"{one.count} of {one.count + len(one.outside)}"
        groups = [(str(number), members) for number, members in one.clusters.items()]
        groups += [("in none", one.alone)] if one.alone else []
        groups += [("not in the tree", one.outside)] if one.outside else []
        names = [name for _, members in groups for name in members]
        known = dict(zip(names, elided(names), strict=True))
        for at, (cluster, members) in enumerate(groups):
            first = ["", ""] if at else [one.matrix, among]
            largest = max(largest, len(members))
            rows.append(
                [*first, cluster, str(len(members)), few(map(known.__getitem__, members), most)]
            )
    all_in = _where(most, largest, "clusters", files) if largest > most else None
    where = f"; each is in {all_in}" if all_in else ""
    return Table(
        f"Clusters of φ's mean over the places, taken as independent{where}",
        ["matrix", "in the tree", "cluster", "adapters", "members"],
        rows,
    )


def _in_full(by_place: Table) -> Table:
    return by_place


def _in_short(by_place: Table) -> Table:
    """Of many rows, places in layers, least, median and most."""
    short = condensed(by_place, most=_MOST, counted="places")
    if len(short.rows) >= len(by_place.rows):
        return by_place
    return short._replace(title=f"{short.title}; each is in survey.md")


def _left_out(rows: Sequence[dict[str, Any]]) -> str:
    """The mean, and its deviation for how adapters were dealt, which each place does for itself."""
    mean = mean_of(rows, "left_out")
    sds = [row["deal_sd"] for row in rows if row["left_out"] is not None]
    if mean is None or None in sds:
        return number(mean)
    return beside(mean, float(np.linalg.norm(sds)) / len(sds))


def _subspace_table(rows: Sequence[dict[str, Any]], start: str, k: int | None) -> Table:
    """Of one k, or of every."""
    body = []
    for side in ("right", "left"):
        for name in DIRECTIONS:
            for own in sorted({row["k"] for row in rows} if k is None else {k}):
                some = [
                    r for r in rows if (r["side"], r["directions"], r["k"]) == (side, name, own)
                ]
                if some:
                    called = start if name == "start" else name
                    values = [number(mean_of(some, what)) for what in ("chance", "fitted")]
                    body.append([side, called, str(own), str(len(some)), _left_out(some), *values])
    title = "Share of all adapters' ΔW that k directions hold, mean over the places; ± for how they were dealt"
    head = ["side", "directions", "k", "places", "left out", "chance", "fitted"]
    return Table(title if k is None else f"{title}; other k are in survey.md", head, body)
