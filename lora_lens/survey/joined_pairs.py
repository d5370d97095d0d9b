"""φ between all pairs of adapters over the places, some adapters against all at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..chance.p_values import standardised
from ..core.many_adapters.clustering import cluster
from ..core.similarity.phi_by_chance import closest_by_chance, in_common
from ..labelled import Array, plain
from .joined import Joined
from .planning import Plan
from .table import read_rows
from .task import PlaceTask

_TILE = (128, 512)  # adapters by adapters whose pairs are joined at once
_MOST_KINDS = 10_000  # of pairs, by their moments under the null
_MOST_CLUSTERED = 4096  # adapters: of more, their tree alone would take gigabytes
_NULLS = ("gaussian", "start", "mean_adapter", "propagated")


def pair_tables(plan: Plan, tasks: Sequence[PlaceTask], joined: Joined) -> Iterator[Any]:
    """Tables of φ of every matrix that was asked for, which also fill in what `joined` says of places and clusters."""
    for matrix, question in (
        ("A", "pairs"),
        ("B", "pairs"),
        ("conversion A", "conversions"),
        ("conversion B", "conversions"),
    ):
        if question not in plan.settings.questions:
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
        self._of_places = [_OfPlace(plan.count) for _ in tasks]
        self._closest: list[tuple[float, float, int, int]] = []
        self._pairs = 0  # that have a φ
        self._kinds: Counter[complex] = Counter()
        self._least: dict[complex, float] = {}  # of φ, of each kind
        self._grid_of_least: NDArray[np.float32] | None = None  # where that is not 0 for all

    def tiles(self) -> Iterator[Any]:
        """Tables of pairs."""
        for rows, columns in tiles(self._plan.count):
            yield self._tile(rows, columns)
        self._close()

    def _tile(self, one: range, other: range) -> Any:
        shape = (len(one), len(other))
        count, phi, least = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        means = {null: np.zeros(shape) for null in self._nulls}
        variances = {null: np.zeros(shape) for null in self._nulls}
        names = [
            "phi",
            "i",
            "j",
            *(f"{null}_{word}" for null in self._nulls for word in ("mean", "sd")),
        ]
        matrix = self._matrix.removeprefix("conversion ")
        for task, of_place in zip(self._tasks, self._of_places, strict=True):
            rows, columns, found = read_tile(task, self._question, names, one, other, matrix=matrix)
            values = found["phi"]
            count[rows, columns] += 1
            phi[rows, columns] += values
            least[rows, columns] += in_common(self._d(task), found.pop("i"), found.pop("j"))
            for null in self._nulls:
                means[null][rows, columns] += found[f"{null}_mean"]
                variances[null][rows, columns] += found[f"{null}_sd"] ** 2
            of_place.add(found)
            of_place.paired[rows + one.start] = of_place.paired[columns + other.start] = True
        rows, columns = np.nonzero(count)
        return self._table(rows + one.start, columns + other.start, count[rows, columns], {
            "phi": phi[rows, columns],
            "least": least[rows, columns],
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
            # φ is in float32 here, whose rounding would be deviations where A hardly moved.
            z = standardised(value, mean, sd)
            for word, numbers in (("mean", mean), ("sd", sd), ("z", z)):
                holes = ~np.isfinite(numbers)
                found[f"{null}_{word}"] = pa.array(numbers, mask=holes if holes.any() else None)
            if null == self._nulls[0]:
                self._keep(rows, columns, value, mean, sd, z, sums["least"] / n)
        return pa.table(found)

    def _names(self, numbers: Any) -> Any:
        import pyarrow as pa

        names = [self._plan.names.get(k, "") for k in range(self._plan.count)]
        return pa.DictionaryArray.from_arrays(np.asarray(numbers, np.int32), names)

    def _d(self, task: PlaceTask) -> int:
        """Of the space that the subspaces lie in: A's are of inputs, and its conversions of outputs; of a square W0 both."""
        inputs = (self._matrix[-1] == "A") == (self._question == "pairs")
        return task.place.in_features if inputs else task.place.out_features

    def _keep(
        self, rows: Any, columns: Any, value: Array, mean: Array, sd: Array, z: Array, least: Array
    ) -> None:
        best = [k for k in np.argsort(-z, kind="stable")[:10] if not np.isnan(z[k])]
        self._closest += [
            (float(z[k]), float(value[k]), int(rows[k]), int(columns[k])) for k in best
        ]
        self._closest = sorted(self._closest, key=lambda one: -one[0])[:10]
        self._pairs += len(value)
        if len(self._kinds) <= _MOST_KINDS:
            kinds, first, count = np.unique(
                (mean + 1j * sd).round(9), return_index=True, return_counts=True
            )
            self._kinds.update(dict(zip(kinds.tolist(), count.tolist(), strict=True)))
            self._least.update(dict(zip(kinds.tolist(), least[first].tolist(), strict=True)))
        if self._tree:
            for grid, numbers in ((self._phi, value), (self._mean, mean), (self._sd, sd)):
                grid[rows, columns] = numbers
                grid[columns, rows] = numbers
            if least.any():
                if self._grid_of_least is None:
                    self._grid_of_least = np.zeros_like(self._phi)
                self._grid_of_least[rows, columns] = self._grid_of_least[columns, rows] = least

    def _close(self) -> None:
        names = self._plan.names
        self._joined.closest[self._matrix] = [
            (names[one], names[other], phi, z) for z, phi, one, other in self._closest
        ]
        self._joined.closest_by_chance[self._matrix] = self._closest_by_chance()
        for task, of_place in zip(self._tasks, self._of_places, strict=True):
            if of_place.count:
                place = task.place
                self._joined.places.append(
                    {"module": place.module, "layer": place.layer, "matrix": self._matrix}
                    | of_place.row()
                )  # fmt: skip
        if not self._tree:
            self._joined.notes.append(
                f"no clusters of {self._matrix}: a tree is made of at most {_MOST_CLUSTERED:,} adapters, and these are {self._plan.count:,}"
            )
            return
        kept = _complete(self._phi)
        known = int(np.isfinite(self._phi).any(1).sum())
        if len(kept) < known:
            self._joined.notes.append(
                f"clusters of {self._matrix} are of {len(kept)} of {known} adapters: the others share no place with some of these"
            )
        if len(kept) < 2:
            return
        grids = (self._phi, self._mean, self._sd)
        phi, mean, sd = (
            _whole(grid, kept, own) for grid, own in zip(grids, (1.0, None, None), strict=True)
        )
        self._phi = self._mean = self._sd = np.empty((0, 0), np.float32)
        least = self._grid_of_least
        found = cluster(phi, mean, sd, least=None if least is None else _whole(least, kept, None))
        self._joined.clustered[self._matrix] = kept
        self._joined.clusters[self._matrix] = found.clusters
        if found.cut == "gap" and len(set(found.clusters)) > 1:
            self._joined.notes.append(
                f"every merge of {self._matrix}'s tree is above chance, so that it is cut at its largest gap, which is arbitrary: adapters of "
                f"different clusters are alike, too"
            )

    def _closest_by_chance(self) -> tuple[int, float | None]:
        """How many pairs have a φ, and what z the closest of so many unrelated ones has; None of too many kinds.

        None of conversions either: W0 gives their φ a shape of its own, of which mean and deviation do not tell what is rare.
        """
        moments, count = np.array(list(self._kinds)), np.array(list(self._kinds.values()))
        drawn = self._question == "conversions"
        if drawn or not 0 < len(count) <= _MOST_KINDS or np.isnan(moments).any():
            return self._pairs, None
        least = np.array([self._least[kind] for kind in self._kinds])
        z = closest_by_chance(moments.real, moments.imag, count, least)
        return self._pairs, plain(z)


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


def tiles(count: int) -> Iterator[tuple[range, range]]:
    """Adapters by adapters, all pairs of which the first has the lower number."""
    tall, wide = _TILE
    for first in range(0, count, tall):
        one = range(first, min(first + tall, count))
        for start in range(first // wide * wide, count, wide):
            yield one, range(start, min(start + wide, count))


def read_tile(
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

    def __init__(self, adapters: int) -> None:
        self.count = 0
        self.paired = np.zeros(adapters, dtype=bool)  # adapters that are in a pair
        self._sums: dict[str, float] = {}

    def add(self, found: dict[str, Array]) -> None:
        """Some pairs."""
        self.count += len(found["phi"])
        for name, values in found.items():
            more = float((values**2 if name.endswith("_sd") else values).sum())
            self._sums[name] = self._sums.get(name, 0.0) + more

    def row(self) -> dict[str, Any]:
        """Means; unrelated pairs' φ are uncorrelated, so the deviation of their mean is known."""
        found: dict[str, Any] = {
            "adapters": int(self.paired.sum()), "pairs": self.count, "phi": self._sums["phi"] / self.count
        }  # fmt: skip
        for null in _NULLS:
            found[f"{null}_mean"] = plain(self._sums.get(f"{null}_mean", np.nan) / self.count)
        sd = self._sums.get("gaussian_sd", np.nan) ** 0.5 / self.count
        found["gaussian_sd"] = plain(sd)
        found["gaussian_z"] = (found["phi"] - found["gaussian_mean"]) / sd if sd > 0 else None
        return found
