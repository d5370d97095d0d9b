"""Places' files → the columns of who lies where at each place and over all, with p corrected over all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..chance.p_values import holm
from ..core.many_adapters.robust import FEWEST, robust_mean_distances
from ..labelled import Array
from .planning import Plan
from .table import read_rows
from .table_file import with_holes
from .task import PlaceTask

_NUMBERS = ("value", "expected", "z", "p")
NONE = -1  # of whole numbers, where there is none

Whole = NDArray[np.int32]


@dataclass(frozen=True)
class OutlyingRows:
    """A row an adapter, quantity and place, then of each its mean over the places; there are tens of thousands, so these are columns.

    Attributes:
        adapter: Numbers of adapters.
        place: Which of the places; -1 of the mean over them.
        quantity: Which of `quantities`.
        rank: Of the adapters that a row's is compared with; -1 where these differ by place.
        among: How many these are, it included.
        value, expected, z, p: Of the adapter, and beside the others; NaN where there are too few.
        p_holm: p, corrected over all rows.
        quantities: Their names.
    """

    adapter: Whole
    place: Whole
    quantity: Whole
    rank: Whole
    among: Whole
    value: Array
    expected: Array
    z: Array
    p: Array
    p_holm: Array
    quantities: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.adapter)

    def table(self, plan: Plan, tasks: Sequence[PlaceTask], which: Any = slice(None)) -> Any:
        """These rows, or some of them in an order, for people and files; None of none."""
        import pyarrow as pa

        numbers = self.adapter[which]
        if not len(numbers):
            return None
        places = [task.place for task in tasks]
        known = sorted(plan.names)
        names = pa.array([plan.names[number] for number in known], pa.string())
        modules = pa.array([*(place.module for place in places), None], pa.string())
        layers = pa.array([*(place.layer for place in places), None], pa.int64())
        at = pa.array(np.where(self.place[which] == NONE, len(places), self.place[which]))
        rank = self.rank[which].astype(np.int64)
        columns: dict[str, Any] = {
            "adapter": names.take(pa.array(np.searchsorted(known, numbers))),
            "module": modules.take(at),
            "layer": layers.take(at),
            "quantity": pa.array(self.quantities).take(pa.array(self.quantity[which])),
        }
        for name in _NUMBERS:
            columns[name] = with_holes(getattr(self, name)[which])
        columns["rank"] = pa.array(rank, mask=rank == NONE)
        columns["among"] = pa.array(self.among[which].astype(np.int64))
        columns["p_holm"] = with_holes(self.p_holm[which])
        return pa.table(columns)


def outlying_rows(plan: Plan, tasks: Sequence[PlaceTask]) -> OutlyingRows:
    """Adapters by place, and of each the mean over the places; p corrected over all rows."""
    codes: dict[str, int] = {}
    parts: list[dict[str, Array]] = []
    # A column a place and rank: robust z of few vary otherwise than of many, so a mean is beside those of its own ranks.
    of_all: dict[int, dict[tuple[int, int], Array]] = {}
    for at, task in enumerate(tasks):
        own = _of_place(task, at, codes)
        parts.append(own)
        there = np.isfinite(own["z"])
        kinds = np.stack([own["quantity"], own["rank"]], axis=1)[there]
        numbers, z = own["adapter"][there].astype(np.intp), own["z"][there]
        for quantity, rank in dict.fromkeys(map(tuple, kinds.astype(int).tolist())):
            some = (kinds == (quantity, rank)).all(1)
            column = np.full(plan.count, np.nan)
            column[numbers[some]] = z[some]
            of_all.setdefault(quantity, {})[at, rank] = column
    if len(tasks) > 1:
        parts += [_over_all(quantity, by_place) for quantity, by_place in of_all.items()]
    return _joined(parts, tuple(codes))


def _of_place(task: PlaceTask, at: int, codes: dict[str, int]) -> dict[str, Array]:
    """Its rows' columns; quantities that are new get the next code."""
    found = read_rows(task.path, "outlying", ["one", "quantity", "i", *_NUMBERS])
    adapters = np.array([piece.adapter for piece in task.place.pieces], dtype=np.float64)
    quantity = np.array(
        [codes.setdefault(name, len(codes)) for name in found["quantity"].to_pylist()],
        dtype=np.float64,
    )
    rank = np.nan_to_num(found["i"].to_numpy().astype(np.float64), nan=NONE)
    kinds = np.stack([quantity, rank], axis=1)
    _, kind, counts = np.unique(kinds, axis=0, return_inverse=True, return_counts=True)
    return {
        "adapter": adapters[found["one"].to_numpy()],
        "place": np.full(len(quantity), float(at)),
        "quantity": quantity,
        "rank": rank,
        "among": counts[kind.ravel()].astype(np.float64),
        **{name: found[name].to_numpy().astype(np.float64) for name in _NUMBERS},
    }


def _over_all(quantity: int, by_place: Mapping[tuple[int, int], Array]) -> dict[str, Array]:
    """Of one quantity each adapter's mean over the places."""
    z = np.stack(list(by_place.values()), axis=1)
    found = robust_mean_distances(z)
    numbers = np.flatnonzero(np.isfinite(found.mean))
    ranks = np.array([rank for _, rank in by_place], dtype=np.float64)
    there = np.isfinite(z[numbers])
    least, most = (
        edge(np.where(there, ranks, other), axis=1)
        for edge, other in ((np.min, np.inf), (np.max, -np.inf))
    )
    return {
        "adapter": numbers.astype(np.float64),
        "place": np.full(len(numbers), float(NONE)),
        "quantity": np.full(len(numbers), float(quantity)),
        "rank": np.where(least == most, least, NONE),
        "value": found.mean[numbers],
        "expected": found.median[numbers],
        **{name: getattr(found, name)[numbers] for name in ("among", "z", "p")},
    }


def _joined(parts: Sequence[Mapping[str, Array]], quantities: tuple[str, ...]) -> OutlyingRows:
    def column(name: str) -> Array:
        return np.concatenate([np.empty(0), *(part[name] for part in parts)])

    def whole(name: str) -> Whole:
        return column(name).astype(np.int32)

    p = column("p")
    tested = np.isfinite(p)
    corrected = np.full(len(p), np.nan)
    corrected[tested] = holm(p[tested])
    return OutlyingRows(
        whole("adapter"), whole("place"), whole("quantity"), whole("rank"), whole("among"),
        column("value"), column("expected"), column("z"), p, corrected, quantities,
    )  # fmt: skip


def alone(rows: OutlyingRows) -> int:
    """How many adapters are compared by their norm alone at some place, as fewer than 5 there have their rank."""
    norm = [k for k, name in enumerate(rows.quantities) if name == "log10 norm"]
    compared = np.unique(rows.place[np.isin(rows.quantity, norm) & (rows.among >= FEWEST)])
    some = (rows.rank != NONE) & (rows.place != NONE) & (rows.among < FEWEST)
    return len(np.unique(rows.adapter[some & np.isin(rows.place, compared)]))
