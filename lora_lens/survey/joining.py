"""The places' files → tables of all of them, streamed: no more than some adapters' pairs is ever in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..chance.p_values import holm
from ..core.clustering import cluster
from ..core.merging import cosine_sd
from ..core.robust import robust_distances
from ..labelled import Array
from .place import PlaceTask
from .planning import Failed, Plan
from .spectrum import QUANTITIES
from .table import parquet, read_rows

_TILE = (128, 512)  # adapters by adapters whose pairs are joined at once
_MOST_CLUSTERED = 4096  # adapters: of more, their tree alone would take gigabytes
_MOST_CSV = 200_000  # rows of a table that is written as CSV too
_NULLS = ("gaussian", "start", "mean_adapter", "propagated")


@dataclass
class Joined:
    """What the last step has made.

    Attributes:
        files: Names of the tables' files.
        places: A row a place and matrix: φ over all pairs beside its nulls.
        clusters: Matrix to each adapter's cluster, in the order of `clustered`.
        clustered: Numbers of the adapters that are in the tree, by matrix.
        outlying: Rows of what lies far, corrected over all.
        subspace: Rows of all places.
        merges: A row a place: the sum of all adapters.
        closest: Matrix to the closest pairs: two names, φ and z.
        notes: Sentences.
    """

    files: list[str] = field(default_factory=list)
    places: list[dict[str, Any]] = field(default_factory=list)
    clusters: dict[str, tuple[int, ...]] = field(default_factory=dict)
    clustered: dict[str, list[int]] = field(default_factory=dict)
    outlying: list[dict[str, Any]] = field(default_factory=list)
    subspace: list[dict[str, Any]] = field(default_factory=list)
    merges: list[dict[str, Any]] = field(default_factory=list)
    closest: dict[str, list[tuple[str, str, float, float]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def join(plan: Plan, tasks: Sequence[PlaceTask], failed: Sequence[Failed], folder: Path) -> Joined:
    """Write the tables of these places into a folder.

    Args:
        plan: Of the survey.
        tasks: Those whose files are there.
        failed: What is left out, and why.
        folder: To write into.

    Raises:
        OutputError: A place's file is broken, or the folder cannot be written.
    """
    joined = Joined()
    asked = tasks[0].settings.questions if tasks else ()
    _write(folder, "adapters", [_adapters(plan, tasks)], joined)
    _write(folder, "failed", [_failed(plan, tasks, failed)], joined)
    if "spectrum" in asked:
        _write(folder, "spectrum", (_spectrum(plan, task) for task in tasks), joined)
    if "pairs" in asked or "conversions" in asked:
        _write(folder, "pairs", _pairs(plan, tasks, joined), joined)
        _write(folder, "places", [_columns(joined.places)], joined)
        _write(folder, "clusters", [_clusters(plan, joined)], joined)
    if "interference" in asked:
        _write(folder, "interference", _interference(plan, tasks), joined)
        joined.merges = [row for task in tasks for row in _merges(task)]
        _write(folder, "merges", [_columns(joined.merges)], joined)
    if "subspace" in asked:
        joined.subspace = [row for task in tasks for row in _subspace(task)]
        _write(folder, "subspace", [_columns(joined.subspace)], joined)
    if "outlying" in asked:
        joined.outlying = _outlying(plan, tasks)
        _write(folder, "outlying", [_columns(joined.outlying)], joined)
    return joined


def _write(folder: Path, name: str, parts: Iterator[Any] | Sequence[Any], joined: Joined) -> None:
    """``NAME.parquet`` of tables of one schema, and ``NAME.csv`` where that is no burden."""
    import pyarrow as pa
    import pyarrow.csv

    path, writer, rows = folder / f"{name}.parquet", None, 0
    try:
        for part in parts:
            if part is None or not len(part):
                continue
            writer = writer or parquet().ParquetWriter(path, part.schema)
            writer.write_table(part)
            rows += len(part)
    finally:
        if writer is not None:
            writer.close()
    if writer is None:
        return
    joined.files.append(path.name)
    if rows <= _MOST_CSV:
        whole = parquet().read_table(path)
        plain = [
            column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
            for column in whole.columns
        ]
        pyarrow.csv.write_csv(
            pa.table(plain, names=whole.column_names),
            folder / f"{name}.csv",
            pyarrow.csv.WriteOptions(quoting_style="needed"),
        )
        joined.files.append(f"{name}.csv")


def _columns(rows: Sequence[dict[str, Any]]) -> Any:
    import pyarrow as pa

    return pa.Table.from_pylist(list(rows)) if rows else None


def _adapters(plan: Plan, tasks: Sequence[PlaceTask]) -> Any:
    counts = dict.fromkeys(plan.adapters, 0)
    for task in tasks:
        for piece in task.place.pieces:
            counts[piece.adapter] += 1
    return _columns([
        {
            "adapter": plan.names[number], "source": known.path, "method": known.method,
            "base": known.base, "places": counts[number],
        }
        for number, known in plan.adapters.items()
    ])  # fmt: skip


def _failed(plan: Plan, tasks: Sequence[PlaceTask], failed: Sequence[Failed]) -> Any:
    import pyarrow as pa

    rows = [(one.adapter, one.module, one.layer, one.reason) for one in failed]
    for task in tasks:
        place = task.place
        for row in read_rows(task.folder / task.file, "failed", ["one", "reason"]).to_pylist():
            name = plan.names[place.pieces[row["one"]].adapter]
            rows.append((name, place.module, place.layer, row["reason"]))
    columns = list(zip(*rows, strict=True)) if rows else [(), (), (), ()]
    kinds = (pa.string(), pa.string(), pa.int32(), pa.string())
    names = ["adapter", "module", "layer", "reason"]
    arrays = [pa.array(values, kind) for values, kind in zip(columns, kinds, strict=True)]
    return pa.Table.from_arrays(arrays, names=names)


def _rows(task: PlaceTask, question: str, columns: Sequence[str]) -> list[dict[str, Any]]:
    path = task.folder / task.file
    found: list[dict[str, Any]] = read_rows(
        path, question, ["module", "layer", *columns]
    ).to_pylist()
    return found


def _named(plan: Plan, task: PlaceTask, numbers: Any) -> list[str]:
    return [plan.names[task.place.pieces[number].adapter] for number in numbers]


def _spectrum(plan: Plan, task: PlaceTask) -> Any:
    """A row an adapter, a column a quantity."""
    import pyarrow as pa

    found = read_rows(task.folder / task.file, "spectrum", ["one", "quantity", "value"])
    numbers, values = found["one"].to_numpy(), found["value"].to_numpy()
    quantities = np.array(found["quantity"].to_pylist())
    place = task.place
    count = len(place.pieces)
    columns: dict[str, Any] = {
        "adapter": pa.array(_named(plan, task, range(count)), pa.string()),
        "module": pa.array([place.module] * count, pa.string()),
        "layer": pa.array([place.layer] * count, pa.int32()),
    }
    for quantity in QUANTITIES:
        own = np.full(count, np.nan)
        at = quantities == quantity
        own[numbers[at]] = values[at]
        whole = quantity.startswith("rank")
        columns[quantity] = pa.array(
            np.nan_to_num(own).astype(np.int32) if whole else own, mask=np.isnan(own)
        )
    return pa.table(columns)


_CALLED = {"quantity": "directions", "value": "left_out", "expected": "chance", "sd": "chance_sd"}


def _subspace(task: PlaceTask) -> list[dict[str, Any]]:
    names = ["side", "quantity", "k", "fitted", "value", "expected", "sd", "z"]
    rows = _rows(task, "subspace", names)
    return [{_CALLED.get(name, name): value for name, value in row.items()} for row in rows]


def _pairs(plan: Plan, tasks: Sequence[PlaceTask], joined: Joined) -> Iterator[Any]:
    for matrix, question in (
        ("A", "pairs"),
        ("B", "pairs"),
        ("conversion A", "conversions"),
        ("conversion B", "conversions"),
    ):
        if not tasks or question not in tasks[0].settings.questions:
            continue
        yield from _Pairs(plan, tasks, matrix, question, joined).tiles()


class _Pairs:
    """φ of one matrix of all pairs, mean over the places, some adapters against all at a time."""

    def __init__(
        self, plan: Plan, tasks: Sequence[PlaceTask], matrix: str, question: str, joined: Joined
    ) -> None:
        self._plan, self._tasks, self._joined = plan, tasks, joined
        self._matrix, self._question = matrix, question
        # What φ is judged by stands first.
        self._nulls = (
            ("gaussian", "start", "mean_adapter") if question == "pairs" else ("propagated",)
        )
        n = plan.count
        self._tree = n <= _MOST_CLUSTERED
        size = n if self._tree else 0
        self._phi, self._mean, self._sd = (
            np.full((size, size), np.nan, np.float32) for _ in range(3)
        )
        self._of_places = [_OfPlace() for _ in tasks]
        self._closest: list[tuple[float, float, int, int]] = []

    def tiles(self) -> Iterator[Any]:
        """Tables of pairs."""
        for rows, columns in _tiles(self._plan.count):
            yield self._tile(rows, columns)
        self._close()

    def _tile(self, one: range, other: range) -> Any:
        shape = (len(one), len(other))
        count, phi = np.zeros(shape), np.zeros(shape)
        means = {null: np.zeros(shape) for null in self._nulls}
        variances = {null: np.zeros(shape) for null in self._nulls}
        names = ["phi", *(f"{null}_{word}" for null in self._nulls for word in ("mean", "sd"))]
        matrix = self._matrix.removeprefix("conversion ")
        for task, of_place in zip(self._tasks, self._of_places, strict=True):
            rows, columns, found = _read(task, self._question, names, one, other, matrix=matrix)
            values = found["phi"]
            count[rows, columns] += 1
            phi[rows, columns] += values
            for null in self._nulls:
                means[null][rows, columns] += found[f"{null}_mean"]
                variances[null][rows, columns] += found[f"{null}_sd"] ** 2
            of_place.add(found)
        rows, columns = np.nonzero(count)
        return self._table(rows + one.start, columns + other.start, count[rows, columns], {
            "phi": phi[rows, columns],
            **{f"{null}_mean": means[null][rows, columns] for null in self._nulls},
            **{f"{null}_sd": variances[null][rows, columns] for null in self._nulls},
        })  # fmt: skip

    def _table(self, rows: Any, columns: Any, n: Array, sums: dict[str, Array]) -> Any:
        import pyarrow as pa

        value = sums["phi"] / n
        found: dict[str, Any] = {
            "matrix": pa.DictionaryArray.from_arrays(np.zeros(len(rows), np.int32), [self._matrix]),
            "one": self._names(rows),
            "other": self._names(columns),
            "places": n.astype(np.int32),
            "phi": value,
        }
        for null in _NULLS:
            if null not in self._nulls:
                empty = pa.nulls(len(rows), pa.float64())
                found |= {f"{null}_{word}": empty for word in ("mean", "sd", "z")}
                continue
            mean, sd = sums[f"{null}_mean"] / n, np.sqrt(sums[f"{null}_sd"]) / n
            with np.errstate(invalid="ignore", divide="ignore"):
                z = (value - mean) / sd
            for word, numbers in (("mean", mean), ("sd", sd), ("z", z)):
                holes = ~np.isfinite(numbers)
                found[f"{null}_{word}"] = pa.array(numbers, mask=holes if holes.any() else None)
            if null == self._nulls[0]:
                self._keep(rows, columns, value, mean, sd, z)
        return pa.table(found)

    def _names(self, numbers: Any) -> Any:
        import pyarrow as pa

        names = [self._plan.names.get(k, "") for k in range(self._plan.count)]
        return pa.DictionaryArray.from_arrays(np.asarray(numbers, np.int32), names)

    def _keep(
        self, rows: Any, columns: Any, value: Array, mean: Array, sd: Array, z: Array
    ) -> None:
        best = np.argsort(-z, kind="stable")[:10]
        self._closest += [
            (float(z[k]), float(value[k]), int(rows[k]), int(columns[k])) for k in best
        ]
        self._closest = sorted(self._closest, key=lambda one: -one[0])[:10]
        if self._tree:
            for grid, numbers in ((self._phi, value), (self._mean, mean), (self._sd, sd)):
                grid[rows, columns] = numbers
                grid[columns, rows] = numbers

    def _close(self) -> None:
        names = self._plan.names
        self._joined.closest[self._matrix] = [
            (names[one], names[other], phi, z) for z, phi, one, other in self._closest
        ]
        for task, of_place in zip(self._tasks, self._of_places, strict=True):
            if of_place.count:
                place = task.place
                self._joined.places.append(
                    {"module": place.module, "layer": place.layer, "matrix": self._matrix}
                    | {"adapters": len(place.pieces)} | of_place.row()
                )  # fmt: skip
        if not self._tree:
            self._joined.notes.append(
                f"no clusters of {self._plan.count:,} adapters: a tree is made of at most {_MOST_CLUSTERED:,}"
            )
            return
        kept = _complete(self._phi)
        if len(kept) < 2:
            return
        grids = (self._phi, self._mean, self._sd)
        phi, mean, sd = (
            _whole(grid, kept, own) for grid, own in zip(grids, (1.0, None, None), strict=True)
        )
        self._phi = self._mean = self._sd = np.empty((0, 0), np.float32)
        found = cluster(phi, mean, sd)
        self._joined.clustered[self._matrix] = kept
        self._joined.clusters[self._matrix] = found.clusters


def _whole(grid: NDArray[np.float32], kept: Sequence[int], own: float | None) -> Array:
    """Of those that are kept, in float64; one number where all have the same, which takes no memory.

    Args:
        grid: Of all adapters.
        kept: Numbers of some.
        own: What each has with itself; by default what the first two have with each other.
    """
    found = grid[np.ix_(kept, kept)]
    np.fill_diagonal(found, found[0, 1] if own is None else own)
    if own is None and found.min() == found.max():
        return np.broadcast_to(np.float64(found[0, 1]), found.shape)
    return found.astype(np.float64)


def _complete(phi: NDArray[np.float32]) -> list[int]:
    """Numbers of adapters of which every two have a φ; those with the most holes are left out, one by one."""
    kept = [k for k in range(len(phi)) if np.isfinite(phi[k]).any()]
    while kept:
        holes = np.isnan(phi[np.ix_(kept, kept)]).sum(1) - 1
        if not (holes > 0).any():
            break
        del kept[int(holes.argmax())]
    return kept


def _tiles(count: int) -> Iterator[tuple[range, range]]:
    """Adapters by adapters, all pairs of which the first has the lower number."""
    tall, wide = _TILE
    for first in range(0, count, tall):
        one = range(first, min(first + tall, count))
        for start in range(first // wide * wide, count, wide):
            yield one, range(start, min(start + wide, count))


def _read(
    task: PlaceTask,
    question: str,
    names: Sequence[str],
    one: range,
    other: range,
    *,
    matrix: str | None = None,
) -> tuple[Any, Any, dict[str, Array]]:
    """A place's pairs in a tile: their rows and columns there, and numbers."""
    numbers = np.array([piece.adapter for piece in task.place.pieces])
    sides = {}
    for name, which in (("one", one), ("other", other)):
        start, stop = np.searchsorted(numbers, [which.start, which.stop])
        sides[name] = range(int(start), int(stop))
    path = task.folder / task.file
    found = read_rows(path, question, ["one", "other", *names], matrix=matrix, **sides)
    rows = numbers[found["one"].to_numpy()] - one.start
    columns = numbers[found["other"].to_numpy()] - other.start
    return rows, columns, {name: found[name].to_numpy().astype(np.float64) for name in names}


class _OfPlace:
    """Sums over the pairs of one place."""

    def __init__(self) -> None:
        self.count = 0
        self._sums: dict[str, float] = {}

    def add(self, found: dict[str, Array]) -> None:
        """Some pairs."""
        self.count += len(found["phi"])
        for name, values in found.items():
            more = float((values**2 if name.endswith("_sd") else values).sum())
            self._sums[name] = self._sums.get(name, 0.0) + more

    def row(self) -> dict[str, Any]:
        """Means; unrelated pairs' φ are uncorrelated, so the deviation of their mean is known."""
        found: dict[str, Any] = {"pairs": self.count, "phi": self._sums["phi"] / self.count}
        for null in _NULLS:
            found[f"{null}_mean"] = _or_none(self._sums.get(f"{null}_mean", np.nan) / self.count)
        sd = self._sums.get("gaussian_sd", np.nan) ** 0.5 / self.count
        found["gaussian_sd"] = _or_none(sd)
        found["gaussian_z"] = (found["phi"] - found["gaussian_mean"]) / sd if sd > 0 else None
        return found


def _clusters(plan: Plan, joined: Joined) -> Any:
    return _columns([
        {"matrix": matrix, "adapter": plan.names[number], "cluster": own}
        for matrix, clusters in joined.clusters.items()
        for number, own in zip(joined.clustered[matrix], clusters, strict=True)
    ])  # fmt: skip


def _interference(plan: Plan, tasks: Sequence[PlaceTask]) -> Iterator[Any]:
    """⟨ΔW_i, ΔW_j⟩/(‖ΔW_i‖‖ΔW_j‖) of all pairs, mean over the places."""
    import pyarrow as pa

    names = pa.array([plan.names.get(k, "") for k in range(plan.count)])
    for one, other in _tiles(plan.count):
        count, total, variance = (np.zeros((len(one), len(other))) for _ in range(3))
        for task in tasks:
            rows, columns, found = _read(task, "interference", ["cosine"], one, other)
            count[rows, columns] += 1
            total[rows, columns] += found["cosine"]
            shape = (task.place.out_features, task.place.in_features)
            variance[rows, columns] += cosine_sd(*shape) ** 2
        rows, columns = np.nonzero(count)
        n = count[rows, columns]
        mean, sd = total[rows, columns] / n, np.sqrt(variance[rows, columns]) / n
        first, second = (
            pa.DictionaryArray.from_arrays(np.asarray(numbers, np.int32), names)
            for numbers in (rows + one.start, columns + other.start)
        )
        columns = {"places": n.astype(np.int32), "cosine": mean, "sd": sd, "z": mean / sd}
        yield pa.table({"one": first, "other": second, **columns})


def _merges(task: PlaceTask) -> list[dict[str, Any]]:
    rows = _rows(task, "merge", ["value", "expected", "sd", "z"])
    return [
        {"cross_energy" if name == "value" else name: value for name, value in row.items()}
        for row in rows
        if row["value"] is not None
    ]


def _outlying(plan: Plan, tasks: Sequence[PlaceTask]) -> list[dict[str, Any]]:
    """Adapters by place, and of each the mean over the places; p corrected over all rows."""
    rows: list[dict[str, Any]] = []
    of_all: dict[str, dict[int, list[float]]] = {}
    for task in tasks:
        for row in _rows(task, "outlying", ["one", "quantity", "value", "expected", "z", "p"]):
            number = task.place.pieces[row.pop("one")].adapter
            rows.append({"adapter": plan.names[number], **row})
            if row["z"] is not None:
                of_all.setdefault(row["quantity"], {}).setdefault(number, []).append(row["z"])
    if len(tasks) > 1:
        for quantity, by_adapter in of_all.items():
            means = np.array([np.mean(z) for z in by_adapter.values()])
            found = robust_distances(means)
            rows += [
                {
                    "adapter": plan.names[number], "module": None, "layer": None, "quantity": quantity,
                    "value": float(mean), "expected": float(np.median(means)),
                    "z": _or_none(z), "p": _or_none(p),
                }
                for number, mean, z, p in zip(by_adapter, means, *found, strict=True)
            ]  # fmt: skip
    tested = [k for k, row in enumerate(rows) if row["p"] is not None]
    corrected = holm(np.array([rows[k]["p"] for k in tested], dtype=np.float64))
    for row in rows:
        row["p_holm"] = None
    for k, p in zip(tested, corrected, strict=True):
        rows[k]["p_holm"] = float(p)
    return rows


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
