"""The places' files → tables of all of them, streamed: no more than some adapters' pairs is ever in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .all_pairs.named import Named
from .all_pairs.phi import MATRICES, FoundPairs, JoinedPairs
from .all_pairs.tiles import read_tile, tiles
from .escaped import escaped
from .families import families_of
from .far import WhoIsFar, outlying_of
from .freed import give_back
from .joined import Joined
from .joined_outlying import outlying_rows
from .planning import Failed, Plan
from .questions.spectrum import QUANTITIES
from .singular import moore_penrose_said, without_inverse
from .table import read_rows
from .table_file import TableFile
from .task import PlaceTask


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
    asked = plan.settings.questions
    without = [one for task in tasks for one in _without(plan, task)]
    without += without_inverse(tasks)
    files = _write(folder, "adapters", [_adapters(plan, tasks)])
    files += _write(folder, "failed", [_failed([*failed, *without])])
    if "spectrum" in asked:
        files += _write(folder, "spectrum", (_spectrum(plan, task) for task in tasks))
    pairs: list[FoundPairs] = []
    if "pairs" in asked or "conversions" in asked:
        with TableFile(folder, "pairs") as file:
            pairs = [
                _streamed(JoinedPairs(plan, tasks, *which), file)
                for which in MATRICES
                if which[1] in asked
            ]
        files += file.files
        files += _write(folder, "places", [_columns([row for one in pairs for row in one.places])])
        files += _write(folder, "clusters", [_clusters(plan, pairs)])
    merges: list[dict[str, Any]] = []
    if "interference" in asked:
        files += _write(folder, "interference", _interference(plan, tasks))
        merges = [row for task in tasks for row in _merges(task)]
        files += _write(folder, "merges", [_columns(merges)])
    notes = [*moore_penrose_said(tasks), *(note for one in pairs for note in one.tree.notes)]
    subspace: list[dict[str, Any]] = []
    if "subspace" in asked:
        subspace = [row for task in tasks for row in _subspace(task)]
        files += _write(folder, "subspace", [_columns(subspace)])
    far: WhoIsFar | None = None
    if "outlying" in asked:
        outlying = outlying_rows(plan, tasks)
        files += _write(folder, "outlying", [outlying.table(plan, tasks)])
        far = outlying_of(outlying, plan, tasks)
    families = tuple(own for one in pairs if (own := families_of(one, plan.names)) is not None)
    return Joined(
        files, tuple(pairs), families, far, tuple(subspace), tuple(merges), tuple(without), tuple(notes)
    )  # fmt: skip


def _write(folder: Path, name: str, parts: Iterable[Any]) -> tuple[str, ...]:
    """Names of its files."""
    with TableFile(folder, name) as file:
        for part in parts:
            file.add(part)
    return file.files


def _streamed(pairs: JoinedPairs, file: TableFile) -> FoundPairs:
    for table in pairs.tiles():
        file.add(table)
    give_back()  # before the tree
    return pairs.found()


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
            "base": known.base and escaped(known.base), "places": counts[number],
        }
        for number, known in plan.adapters.items()
    ])  # fmt: skip


def _without(plan: Plan, task: PlaceTask) -> Iterator[Failed]:
    """Adapters that have no subspace at a place."""
    place = task.place
    for row in read_rows(task.path, "failed", ["one", "reason"]).to_pylist():
        name = plan.names[place.pieces[row["one"]].adapter]
        yield Failed(name, place.module, place.layer, row["reason"])


def _failed(failed: Sequence[Failed]) -> Any:
    import pyarrow as pa

    rows = [(one.adapter, one.module, one.layer, one.reason) for one in failed]
    columns = list(zip(*rows, strict=True)) if rows else [(), (), (), ()]
    kinds = (pa.string(), pa.string(), pa.int32(), pa.string())
    names = ["adapter", "module", "layer", "reason"]
    arrays = [pa.array(values, kind) for values, kind in zip(columns, kinds, strict=True)]
    return pa.Table.from_arrays(arrays, names=names)


def _rows(task: PlaceTask, question: str, columns: Sequence[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read_rows(
        task.path, question, ["module", "layer", *columns]
    ).to_pylist()
    return found


def _named(plan: Plan, task: PlaceTask, numbers: Any) -> list[str]:
    return [plan.names[task.place.pieces[number].adapter] for number in numbers]


def _spectrum(plan: Plan, task: PlaceTask) -> Any:
    """A row an adapter, a column a quantity."""
    import pyarrow as pa

    found = read_rows(task.path, "spectrum", ["one", "quantity", "value"])
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
    names = ["side", "quantity", "k", "fitted", "value", "deal_sd", "expected", "sd", "z"]
    rows = _rows(task, "subspace", names)
    return [{_CALLED.get(name, name): value for name, value in row.items()} for row in rows]


def _clusters(plan: Plan, pairs: Sequence[FoundPairs]) -> Any:
    return _columns([
        {"matrix": one.matrix, "adapter": plan.names[number], "cluster": own}
        for one in pairs
        for number, own in zip(one.tree.adapters, one.tree.clusters, strict=True)
    ])  # fmt: skip


def _interference(plan: Plan, tasks: Sequence[PlaceTask]) -> Iterator[Any]:
    """⟨ΔW_i, ΔW_j⟩/(‖ΔW_i‖‖ΔW_j‖) of all pairs, mean over the places."""
    import pyarrow as pa

    named = Named(plan.names)
    for one, other in tiles(plan.count):
        count, total, variance = (np.zeros((len(one), len(other))) for _ in range(3))
        for task in tasks:
            wanted = ["cosine", "cosine_sd"]
            rows, columns, found = read_tile(task, "interference", wanted, one, other)
            count[rows, columns] += 1
            total[rows, columns] += found["cosine"]
            variance[rows, columns] += found["cosine_sd"] ** 2
        rows, columns = np.nonzero(count)
        n = count[rows, columns]
        mean, sd = total[rows, columns] / n, np.sqrt(variance[rows, columns]) / n
        first, second = named.column(rows + one.start), named.column(columns + other.start)
        varies = sd > 0
        z = pa.array(mean / np.where(varies, sd, 1.0), mask=None if varies.all() else ~varies)
        columns = {"places": n.astype(np.int32), "cosine": mean, "sd": sd, "z": z}
        yield pa.table({"one": first, "other": second, **columns})


def _merges(task: PlaceTask) -> list[dict[str, Any]]:
    rows = _rows(task, "merge", ["value", "expected", "sd", "z"])
    return [
        {"cross_energy" if name == "value" else name: value for name, value in row.items()}
        for row in rows
        if row["value"] is not None and np.isfinite(row["value"])  # of one adapter there is none
    ]
