"""Places' files → who lies far from the others at each place and over all, and what would have been seen."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..chance.p_values import holm
from ..core.many_adapters.robust import FEWEST, robust_mean_distances
from ..labelled import Array, plain
from .planning import Plan
from .table import read_rows
from .task import PlaceTask

_COLUMNS = ["module", "layer", "one", "quantity", "i", "value", "expected", "z", "p"]


def outlying_rows(plan: Plan, tasks: Sequence[PlaceTask]) -> list[dict[str, Any]]:
    """Adapters by place, and of each the mean over the places; p corrected over all rows.

    ``rank`` is that of the adapters that a row's is compared with, ``among`` how many these are, it included.
    """
    rows: list[dict[str, Any]] = []
    # A column a place and rank: robust z of few vary otherwise than of many, so a mean is beside those of its own ranks.
    of_all: defaultdict[str, defaultdict[tuple[int, int | None], Array]] = defaultdict(
        partial(defaultdict, partial(np.full, plan.count, np.nan))
    )
    for at, task in enumerate(tasks):
        own: list[dict[str, Any]] = read_rows(task.path, "outlying", _COLUMNS).to_pylist()
        beside = Counter((row["quantity"], row["i"]) for row in own)
        for row in own:
            number, rank = task.place.pieces[row.pop("one")].adapter, row.pop("i")
            among = beside[row["quantity"], rank]
            rows.append({"adapter": plan.names[number], **row, "rank": rank, "among": among})
            if row["z"] is not None:
                of_all[row["quantity"]][at, rank][number] = row["z"]
    if len(tasks) > 1:
        for quantity, by_place in of_all.items():
            rows += _of_all(plan, quantity, by_place)
    tested = [k for k, row in enumerate(rows) if row["p"] is not None]
    corrected = holm(np.array([rows[k]["p"] for k in tested], dtype=np.float64))
    for row in rows:
        row["p_holm"] = None
    for k, p in zip(tested, corrected, strict=True):
        rows[k]["p_holm"] = float(p)
    return rows


def _of_all(
    plan: Plan, quantity: str, by_place: Mapping[tuple[int, int | None], Array]
) -> list[dict[str, Any]]:
    z = np.stack(list(by_place.values()), axis=1)
    found = robust_mean_distances(z)
    ranks = [rank for _, rank in by_place]
    rows = []
    for number in np.flatnonzero(np.isfinite(found.mean)).tolist():
        own = {ranks[k] for k in np.flatnonzero(np.isfinite(z[number]))}
        rows.append({
            "adapter": plan.names[number], "module": None, "layer": None, "quantity": quantity,
            "value": float(found.mean[number]), "expected": float(found.median[number]),
            "z": plain(found.z[number]), "p": plain(found.p[number]),
            "rank": own.pop() if len(own) == 1 else None, "among": int(found.among[number]),
        })  # fmt: skip
    return rows


def alone(rows: Sequence[dict[str, Any]]) -> set[str]:
    """Adapters that are compared by their norm alone at some place, as fewer than 5 there have their rank."""
    compared = {
        (row["module"], row["layer"])
        for row in rows
        if row["quantity"] == "log10 norm" and row["among"] >= FEWEST
    }
    return {
        row["adapter"]
        for row in rows
        if row["rank"] is not None
        and row["module"] is not None
        and row["among"] < FEWEST
        and (row["module"], row["layer"]) in compared
    }
