"""φ between layers: one grid a matrix, with its baselines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ...chance.baseline import Baseline
from ...chance.significance import STATISTICS, Significance, significance
from ...labelled import Array, Brief, Row, Tidy, html_table, plain
from ...several import counted
from ...show.wording import ridge_words
from ..answer import Answer
from ..looked_up import looked_up


@dataclass(frozen=True, repr=False, eq=False)
class LayerGrid(Tidy, Brief):
    """φ between the conversion matrices of every two layers, with its baselines.

    Attributes:
        matrix: ``A``, ``B`` or ``BA``.
        module, side, i, j, convention: What was compared, and how.
        layers: Layer numbers of the rows and columns, as in the checkpoint.
        values: (layer, layer) φ(row's matrix, column's matrix, i, j).
        baselines: By null: ``gaussian``, ``propagated``, ``mismatched``, ``initialisation``, ``equivalent``, ``flipped``.
        absent: Nulls that were asked for and are not there, each with the reason.
        ridge: λ in units of W0's median singular value; 0 for W0⁻¹ itself.
    """

    matrix: str
    module: str
    side: str
    i: int
    j: int
    convention: str
    layers: tuple[int, ...]
    values: Array
    baselines: Mapping[str, Baseline]
    absent: Mapping[str, str] = field(default_factory=dict)
    ridge: float = 0.0

    @property
    def mean(self) -> float:
        """Mean φ off the diagonal; NaN for a single layer."""
        return off_diagonal_mean(self.values)

    def baseline_mean(self, name: str) -> float:
        """A baseline's mean over the same cells as ``mean``.

        Raises:
            ResultLookupError: There is none of that name, as without draws all but the closed forms.
        """
        baseline = looked_up(self.baselines, name, "baseline")
        return off_diagonal_mean(baseline.grid(len(self.layers)))

    @property
    def pictured(self) -> str | None:
        """The null that figures and tables of pairs set beside φ: the propagated one, else flips."""
        return next((null for null in ("propagated", "flipped") if null in self.baselines), None)

    @property
    def flips_sd(self) -> float:
        """How far the mean scatters from flip to flip; NaN where there are none."""
        tests = self.significance
        return tests["flipped"].of_mean.sd if "flipped" in tests else float("nan")

    @cached_property
    def significance(self) -> dict[str, Significance]:
        """Each null's tests of the cells off the diagonal, and of their mean."""
        off = ~np.eye(len(self.layers), dtype=bool)
        return {
            name: significance(self.values, baseline, off, symmetric=self.i == self.j)
            for name, baseline in self.baselines.items()
        }

    def rows(self) -> list[Row]:
        """One row a cell: the tidy form. NaN in a null that this matrix has not."""
        layers = len(self.layers)
        columns: dict[str, Array] = {}
        for name, baseline in self.baselines.items():
            columns |= {
                f"{name}_mean": baseline.grid(layers),
                f"{name}_sd": baseline.sd_grid(layers),
            }
            cells = self.significance[name].cells()
            columns |= {f"{name}_{statistic}": grid for statistic, grid in cells.items()}
        for name in self.absent:
            nothing = np.full((layers, layers), np.nan)
            columns |= {f"{name}_{one}": nothing for one in ("mean", "sd", *STATISTICS)}
        labels = {
            "module": self.module, "matrix": self.matrix, "side": self.side, "i": self.i,
            "j": self.j, "convention": self.convention, "ridge": self.ridge,
        }  # fmt: skip
        return [
            labels
            | {"layer": one, "other_layer": other, "phi": float(self.values[x, y])}
            | {name: float(grid[x, y]) for name, grid in columns.items()}
            for x, one in enumerate(self.layers)
            for y, other in enumerate(self.layers)
        ]

    def to_dict(self) -> Row:
        """For JSON."""
        return {
            "phi": plain(self.values),
            "mean": plain(self.mean),
            "baselines": {
                name: baseline.to_dict() | self.significance[name].to_dict()
                for name, baseline in self.baselines.items()
            },
            "absent_baselines": dict(self.absent),
        }

    @property
    def _beside_chance(self) -> str:
        """The mean and what nulls give of it: φ alone would say nothing."""
        if len(self.layers) < 2:
            return ""
        nulls = [
            f"{name} {self.baseline_mean(name) if one.mean_mean is None else one.mean_mean:.3f}"
            for name, one in self.baselines.items()
        ]
        return f"; mean {self.mean:.3f}{', by chance: ' if nulls else ''}{', '.join(nulls)}"

    @property
    def _said(self) -> str:
        return f"{self.matrix}, {self.module}, {counted(len(self.layers), 'layer')}{self._beside_chance}"

    def _repr_html_(self) -> str:
        title = (
            f"φ of {self.matrix} conversions, {self.module}, {self.side}, i={self.i}, j={self.j}"
            f"{ridge_words(self.ridge)}{self._beside_chance}"
        )
        head = ["", *self.layers]
        body = [[layer, *row] for layer, row in zip(self.layers, self.values, strict=True)]
        return html_table(title, head, body, shaded=True)


@dataclass(frozen=True, repr=False, eq=False)
class SimilarityResult(Answer, Mapping[str, LayerGrid]):
    """Are the conversion matrices alike across layers? ``result["A"]`` is A's grid.

    Attributes:
        adapter, base, method, module, side, i, j, convention: What was analysed, and how.
        convention_why: Why it is that convention.
        layers: Layer numbers.
        grids: Matrix to grid.
        condition_number: σ_max/σ_min of each layer's W0, inf where it is rank-deficient; to two digits
            where W0 is wider than 512, see ``lora_lens.core.solving.condition.condition_number``.
        notes: What a reader should know beside the numbers, a sentence each.
        from_w0: As `lora_lens.Adapter` says.
        seed, draws: Of the nulls.
        base_commit: Of the base in its hub repository, asked for or not; None for other folders.
        ridge: λ in units of each W0's median singular value; 0 for W0⁻¹ itself.
    """

    adapter: str
    base: str
    method: str
    module: str
    side: str
    i: int
    j: int
    convention: str
    convention_why: str
    layers: tuple[int, ...]
    grids: Mapping[str, LayerGrid]
    condition_number: tuple[float, ...]
    notes: tuple[str, ...] = ()
    from_w0: bool = False
    seed: int | None = None
    ridge: float = 0.0
    base_commit: str | None = None
    draws: int | None = None

    @property
    def stem(self) -> str:
        """Name of its files, but for their endings."""
        return f"similarity-{self.module}"

    def __getitem__(self, matrix: str) -> LayerGrid:
        return looked_up(self.grids, matrix, "matrix")

    def __iter__(self) -> Iterator[str]:
        return iter(self.grids)

    def __len__(self) -> int:
        return len(self.grids)

    def rows(self) -> list[Row]:
        """One row a cell of every grid."""
        return [row for grid in self.grids.values() for row in grid.rows()]

    def numbers(self) -> Row:
        """For JSON."""
        return {
            "adapter": self.adapter,
            "base": self.base,
            "method": self.method,
            "module": self.module,
            "side": self.side,
            "i": self.i,
            "j": self.j,
            "convention": self.convention,
            "convention_why": self.convention_why,
            "ridge": plain(self.ridge),
            "layers": list(self.layers),
            "condition_number": [plain(number) for number in self.condition_number],
            "matrices": {matrix: grid.to_dict() for matrix, grid in self.grids.items()},
        }

    def _more_html(self) -> str:
        return "".join(grid._repr_html_() for grid in self.grids.values())


def off_diagonal_mean(values: Array) -> float:
    """Mean of a square grid off its diagonal; NaN where there is nothing off it."""
    off = ~np.eye(len(values), dtype=bool)
    return float(values[off].mean()) if off.any() else float("nan")
