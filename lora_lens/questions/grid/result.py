"""φ(i, j) for every i and j: one grid a layer, matrix and side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, overload

import numpy as np

from ...chance.baseline import Baseline
from ...chance.p_values import two_sided_p
from ...chance.significance import Significance, significance
from ...core.similarity.layers_together import AS_INDEPENDENT
from ...labelled import Array, Brief, Row, Tidy, html_table, plain
from ..answer import Answer


@dataclass(frozen=True, repr=False, eq=False)
class RankGrid(Tidy, Brief):
    """φ(i, j) of one layer, for 1 ≤ i ≤ r1 and 1 ≤ j ≤ r2, beside unrelated subspaces.

    Attributes:
        layer: As in the checkpoint's names.
        matrix: ``A``, ``B`` or ``delta`` (ΔW).
        side: Which singular vectors: ``left`` or ``right``.
        values: (i, j) φ; row 0 is i = 1.
        gaussian_mean, gaussian_sd: (i, j) mean max(i, j)/d and deviation for independent uniform subspaces.
        angles: (min(r1, r2),) principal angles between the two whole subspaces in degrees, ascending.
        dimension: d, of the space that the singular vectors live in.
        full: How many singular directions each of the two has, of which i and j count the leading ones.
    """

    layer: int
    matrix: str
    side: str
    values: Array
    gaussian_mean: Array
    gaussian_sd: Array
    angles: Array
    dimension: int
    full: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int]:
        """(r1, r2): the largest i and j."""
        return (self.values.shape[0], self.values.shape[1])

    @property
    def z(self) -> Array:
        """(i, j) deviations above the Gaussian mean; NaN where that baseline does not vary."""
        varies = self.gaussian_sd > 0
        sd = np.where(varies, self.gaussian_sd, 1.0)
        return np.where(varies, (self.values - self.gaussian_mean) / sd, np.nan)

    def rows(self) -> list[Row]:
        """One row a cell."""
        labels = {"matrix": self.matrix, "side": self.side, "layer": self.layer}
        z = self.z
        return [
            labels
            | {
                "i": i + 1, "j": j + 1, "phi": float(self.values[i, j]),
                "gaussian_mean": float(self.gaussian_mean[i, j]),
                "gaussian_sd": float(self.gaussian_sd[i, j]), "z": plain(float(z[i, j])),
            }
            for i in range(self.shape[0])
            for j in range(self.shape[1])
        ]  # fmt: skip

    def to_dict(self) -> Row:
        """For JSON."""
        return {
            "layer": self.layer,
            "matrix": self.matrix,
            "side": self.side,
            "dimension": self.dimension,
            "full": list(self.full),
            "phi": plain(self.values),
            "gaussian_mean": plain(self.gaussian_mean),
            "gaussian_sd": plain(self.gaussian_sd),
            "angles_degrees": plain(self.angles),
        }

    @property
    def _said(self) -> str:
        rows, columns = self.shape
        return (
            f"{self.matrix}, {self.side}, layer {self.layer}; φ({rows}, {columns}) {self.values[-1, -1]:.3f}, "
            f"by chance {self.gaussian_mean[-1, -1]:.3f} ± {self.gaussian_sd[-1, -1]:.3f}"
        )

    def _repr_html_(self) -> str:
        title = f"φ(i, j), {self.matrix}, {self.side} side, layer {self.layer}; rows i, columns j"
        body = [[i + 1, *row] for i, row in enumerate(self.values)]
        return html_table(title, ["i", *range(1, self.shape[1] + 1)], body, shaded=True)


@dataclass(frozen=True, repr=False, eq=False)
class RankGrids(Answer, Sequence[RankGrid]):
    """φ(i, j) grids between two adapters, or between W0 and ΔW of one, layer by layer.

    Attributes:
        one: The adapter whose singular vectors i counts; of W0 and ΔW, the base model.
        other: The adapter whose singular vectors j counts.
        module: Which module.
        between: ``adapters``, or ``w0-delta``: i over W0's singular vectors, j over ΔW's.
        grids: Matrix by matrix, and within one, layer by layer.
        baselines: (matrix, side) to the Gaussian null of φ(r1, r2), layer by layer.
        scatter: (matrix, side) to how many times as far the mean φ(r1, r2) of unrelated W0 and ΔW would scatter as that of independent
            layers, which tests are of; of W0 and ΔW alone.
        notes: What a reader should know beside the numbers.
        seed, draws: Of the null.
        base: The base model; None where two adapters name two.
        base_commit: Of the base in its hub repository, asked for or not; None for other folders.
    """

    one: str
    other: str
    module: str
    between: Literal["adapters", "w0-delta"]
    grids: tuple[RankGrid, ...]
    baselines: Mapping[tuple[str, str], Baseline] = field(repr=False)
    notes: tuple[str, ...] = ()
    seed: int | None = None
    base: str | None = None
    base_commit: str | None = None
    draws: int | None = None
    scatter: Mapping[tuple[str, str], float] = field(default_factory=dict, repr=False)

    @property
    def stem(self) -> str:
        """Name of its files, but for their endings."""
        w0 = "w0-" if self.between == "w0-delta" else ""
        return f"grid-{w0}{self.module}"

    @overload
    def __getitem__(self, index: int) -> RankGrid: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[RankGrid, ...]: ...
    def __getitem__(self, index: int | slice) -> RankGrid | tuple[RankGrid, ...]:
        return self.grids[index]

    def __len__(self) -> int:
        return len(self.grids)

    @property
    def layers(self) -> tuple[int, ...]:
        """Layer numbers, ascending."""
        return tuple(sorted({grid.layer for grid in self.grids}))

    @property
    def kinds(self) -> tuple[tuple[str, str], ...]:
        """(matrix, side) of the grids, in their order."""
        return tuple(dict.fromkeys((grid.matrix, grid.side) for grid in self.grids))

    @property
    def together(self) -> tuple[tuple[str, str], ...]:
        """(matrix, side) of those whose layers lie so far alike that a test by independent ones would claim too much."""
        return tuple(kind for kind, times in self.scatter.items() if times > AS_INDEPENDENT)

    def of(self, matrix: str, side: str) -> tuple[RankGrid, ...]:
        """The grids of one matrix and side, layer by layer."""
        return tuple(g for g in self.grids if (g.matrix, g.side) == (matrix, side))

    @cached_property
    def significance(self) -> dict[tuple[str, str], Significance]:
        """By (matrix, side), the tests of φ(r1, r2), between the whole subspaces, layer by layer.

        φ(i, j) within a grid is of subspaces in each other, so its cells are not tested one by one.
        """
        found = {}
        for kind, baseline in self.baselines.items():
            values = np.array([grid.values[-1, -1] for grid in self.of(*kind)])
            found[kind] = significance(values, baseline, np.ones(len(values), dtype=bool))
        return found

    def whole(self) -> list[Row]:
        """The tests of φ(r1, r2), a row a grid; ``p_two_sided`` is made as the sentence's is, and not corrected."""
        return [
            {name: plain(float(numbers[k])) for name, numbers in cells.items()}
            for kind in self.kinds
            for cells in [self.significance[kind].cells() | {"p_two_sided": self._two_sided(kind)}]
            for k in range(len(self.of(*kind)))
        ]

    def _two_sided(self, kind: tuple[str, str]) -> Array:
        """Layer by layer; NaN without draws."""
        baseline = self.baselines[kind]
        values = np.array([grid.values[-1, -1] for grid in self.of(*kind)])
        if baseline.drawn is None:
            return np.full(len(values), np.nan)
        return two_sided_p(values, baseline.drawn.astype(np.float64), sd=baseline.sd)

    def angles(self) -> list[Row]:
        """One row a principal angle between the whole subspaces of every grid, in degrees."""
        return [
            {
                "module": self.module, "matrix": grid.matrix, "side": grid.side,
                "layer": grid.layer, "index": k + 1, "degrees": float(angle),
            }
            for grid in self.grids
            for k, angle in enumerate(grid.angles)
        ]  # fmt: skip

    def rows(self) -> list[Row]:
        """One row a cell of every grid."""
        return [{"module": self.module} | row for grid in self.grids for row in grid.rows()]

    def numbers(self) -> Row:
        """For JSON."""
        return {
            "one": self.one,
            "other": self.other,
            "module": self.module,
            "between": self.between,
            "scatter": [
                {"matrix": matrix, "side": side, "times": times}
                for (matrix, side), times in self.scatter.items()
            ],
            "grids": [
                grid.to_dict()
                | {"w0_rank": grid.full[0] if self.between == "w0-delta" else None, "whole": tests}
                for grid, tests in zip(self.grids, self.whole(), strict=True)
            ],
        }
