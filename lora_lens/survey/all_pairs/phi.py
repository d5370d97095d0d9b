"""φ of one matrix between all pairs: a table that is streamed, and what is kept of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...chance.p_values import standardised
from ...core.similarity.phi_by_chance import in_common
from ...labelled import Array
from ..planning import Plan
from ..table_file import with_holes
from ..task import PlaceTask
from .closest import Closest
from .kinds import Kinds
from .named import Named
from .nearest import Nearest
from .of_place import OfPlace
from .tiles import read_tile, tiles
from .tree import Clustered, Tree

MATRICES = (
    ("A", "pairs"),
    ("B", "pairs"),
    ("conversion A", "conversions"),
    ("conversion B", "conversions"),
)
_NULLS = ("gaussian", "start", "mean_adapter", "propagated")
# What φ is judged by stands first.
_NULLS_OF = {"pairs": ("gaussian", "start", "mean_adapter"), "conversions": ("propagated",)}


@dataclass(frozen=True)
class FoundPairs:
    """What is kept of a matrix's pairs, beside their table.

    Attributes:
        matrix: Which.
        places: A row a place: φ over all pairs beside its nulls.
        count: How many pairs have a φ.
        closest: The closest of them: two names, φ and z.
        by_chance: z that the closest of so many unrelated ones has in half of all surveys; None where too many of them differ
            to say, and of conversions: W0 gives their φ a shape of its own, of which mean and deviation do not tell what is rare.
        tree: Its clusters.
        nearest: Each adapter's nearest.
    """

    matrix: str
    places: tuple[dict[str, Any], ...]
    count: int
    closest: list[tuple[str, str, float, float]]
    by_chance: float | None
    tree: Clustered
    nearest: Nearest


@dataclass(frozen=True)
class _Tile:
    """Pairs of some adapters and some others, mean over the places that both have.

    Attributes:
        one, other: Numbers of the adapters, pair by pair.
        places: How many.
        phi, least: φ, and what it is at least.
        moments: Null to its mean, its deviation and φ's z.
    """

    one: Any
    other: Any
    places: Array
    phi: Array
    least: Array
    moments: dict[str, tuple[Array, Array, Array]]


class JoinedPairs:
    """φ of one matrix of all pairs, mean over the places, some adapters against all at a time."""

    def __init__(self, plan: Plan, tasks: Sequence[PlaceTask], matrix: str, question: str) -> None:
        self._plan, self._tasks = plan, tasks
        self._matrix, self._question = matrix, question
        self._nulls = _NULLS_OF[question]
        self._of_places = [OfPlace(plan.count, _NULLS) for _ in tasks]
        self._count = 0
        self._closest = Closest()
        self._kinds = Kinds() if question == "pairs" else None
        self._tree = Tree(plan.count, matrix)
        self._nearest = Nearest(plan.count)
        self._named = Named(plan.names)

    def tiles(self) -> Iterator[Any]:
        """Tables of pairs, to be taken to the last."""
        for one, other in tiles(self._plan.count):
            tile = self._tile(one, other)
            self._keep(tile)
            yield self._table(tile)

    def found(self) -> FoundPairs:
        """What is kept of them, when all tiles are taken."""
        places = tuple(
            {"module": task.place.module, "layer": task.place.layer, "matrix": self._matrix}
            | of_place.row()
            for task, of_place in zip(self._tasks, self._of_places, strict=True)
            if of_place.count
        )
        return FoundPairs(
            self._matrix,
            places,
            self._count,
            self._closest.found(self._plan.names),
            None if self._kinds is None else self._kinds.closest_by_chance(),
            self._tree.found(),
            self._nearest,
        )

    def _tile(self, one: range, other: range) -> _Tile:
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
            count[rows, columns] += 1
            phi[rows, columns] += found["phi"]
            least[rows, columns] += in_common(self._d(task), found.pop("i"), found.pop("j"))
            for null in self._nulls:
                means[null][rows, columns] += found[f"{null}_mean"]
                variances[null][rows, columns] += found[f"{null}_sd"] ** 2
            of_place.add(rows + one.start, columns + other.start, found)
        at = np.nonzero(count)
        n = count[at]
        value = phi[at] / n
        moments = {}
        for null in self._nulls:
            mean, sd = means[null][at] / n, np.sqrt(variances[null][at]) / n
            # φ is in float32 here, whose rounding would be deviations where A hardly moved.
            moments[null] = (mean, sd, standardised(value, mean, sd))
        rows, columns = at
        return _Tile(rows + one.start, columns + other.start, n, value, least[at] / n, moments)

    def _d(self, task: PlaceTask) -> int:
        """Of the space that the subspaces lie in: A's are of inputs, and its conversions of outputs; of a square W0 both."""
        inputs = (self._matrix[-1] == "A") == (self._question == "pairs")
        return task.place.in_features if inputs else task.place.out_features

    def _keep(self, tile: _Tile) -> None:
        mean, sd, z = tile.moments[self._nulls[0]]
        self._count += len(tile.phi)
        self._closest.add(tile.one, tile.other, tile.phi, z)
        self._nearest.add(tile.one, tile.other, z)
        if self._kinds is not None:
            self._kinds.add(mean, sd, tile.least)
        self._tree.add(tile.one, tile.other, tile.phi, mean, sd, tile.least)

    def _table(self, tile: _Tile) -> Any:
        import pyarrow as pa

        rows = len(tile.phi)
        found: dict[str, Any] = {
            "matrix": pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), [self._matrix]),
            "one": self._named.column(tile.one),
            "other": self._named.column(tile.other),
            "places": tile.places.astype(np.int32),
            "phi": tile.phi,
        }
        for null in _NULLS:
            if null not in tile.moments:
                empty = pa.nulls(rows, pa.float64())
                found |= {f"{null}_{word}": empty for word in ("mean", "sd", "z")}
                continue
            for word, numbers in zip(("mean", "sd", "z"), tile.moments[null], strict=True):
                found[f"{null}_{word}"] = with_holes(numbers)
        return pa.table(found)
