"""Labelled numbers: every value with its layers, module, matrix, side, i, j, convention and baselines."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pandas import DataFrame

Array = NDArray[np.float64]
Row = dict[str, Any]


@dataclass(frozen=True)
class Baseline:
    """φ under a null: one mean and deviation for all cells, or a layer×layer grid of them.

    Attributes:
        mean: Expected φ.
        sd: Standard deviation of φ from draw to draw.
        draws: How many draws they are estimated from; None for a closed form.
        mean_sd: Standard deviation, from draw to draw, of the mean off the diagonal.
    """

    mean: float | Array
    sd: float | Array
    mean_sd: float
    draws: int | None = None

    def grid(self, layers: int) -> Array:
        """The mean as a layer×layer grid."""
        return np.broadcast_to(np.asarray(self.mean, dtype=np.float64), (layers, layers))

    def sd_grid(self, layers: int) -> Array:
        """The deviation as a layer×layer grid."""
        return np.broadcast_to(np.asarray(self.sd, dtype=np.float64), (layers, layers))

    def to_dict(self) -> Row:
        """For JSON: mean, sd, mean_sd and, for a sampled one, draws."""
        plain = {name: _plain(getattr(self, name)) for name in ("mean", "sd", "mean_sd")}
        return plain if self.draws is None else plain | {"draws": self.draws}


@dataclass(frozen=True)
class LayerGrid:
    """φ between the conversion matrices of every two layers, with its baselines.

    Attributes:
        matrix: ``A``, ``B`` or ``BA``.
        module, side, i, j, convention: What was compared, and how.
        layers: Layer numbers of the rows and columns, as in the checkpoint.
        values: (layer, layer) φ(row's matrix, column's matrix, i, j).
        baselines: ``gaussian`` and, where it was drawn, ``propagated``.
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

    @property
    def mean(self) -> float:
        """Mean φ off the diagonal; NaN for a single layer."""
        return off_diagonal_mean(self.values)

    def baseline_mean(self, name: str) -> float:
        """A baseline's mean over the same cells as `mean`."""
        return off_diagonal_mean(self.baselines[name].grid(len(self.layers)))

    def rows(self) -> list[Row]:
        """One row a cell: the tidy form."""
        grids = {name: b.grid(len(self.layers)) for name, b in self.baselines.items()}
        deviations = {name: b.sd_grid(len(self.layers)) for name, b in self.baselines.items()}
        labels = {
            "module": self.module, "matrix": self.matrix, "side": self.side, "i": self.i,
            "j": self.j, "convention": self.convention,
        }  # fmt: skip
        return [
            labels
            | {"layer": one, "other_layer": other, "phi": float(self.values[x, y])}
            | {f"{name}_mean": float(grid[x, y]) for name, grid in grids.items()}
            | {f"{name}_sd": float(grid[x, y]) for name, grid in deviations.items()}
            for x, one in enumerate(self.layers)
            for y, other in enumerate(self.layers)
        ]

    def to_frame(self) -> DataFrame:
        """`rows` as a pandas DataFrame."""
        return _frame(self.rows())

    def to_dict(self) -> Row:
        """For JSON."""
        return {
            "phi": _plain(self.values),
            "mean": _plain(self.mean),
            "baselines": {name: b.to_dict() for name, b in self.baselines.items()},
        }

    def _repr_html_(self) -> str:
        title = f"φ of {self.matrix} conversions, {self.module}, {self.side}, i={self.i}, j={self.j}"
        head = ["", *self.layers]
        body = [[layer, *row] for layer, row in zip(self.layers, self.values, strict=True)]
        return _html_table(title, head, body, shaded=True)


@dataclass(frozen=True)
class SimilarityResult(Mapping[str, LayerGrid]):
    """Are the conversion matrices alike across layers? ``result["A"]`` is A's grid.

    Attributes:
        adapter, base, method, module, side, i, j, convention: What was analysed, and how.
        layers: Layer numbers.
        condition_number: σ_max/σ_min of each layer's W0; inf where it is rank-deficient.
        grids: Matrix to grid.
        notes: What a reader should know beside the numbers, a sentence each.
    """

    adapter: str
    base: str
    method: str
    module: str
    side: str
    i: int
    j: int
    convention: str
    layers: tuple[int, ...]
    condition_number: tuple[float, ...]
    grids: Mapping[str, LayerGrid]
    notes: tuple[str, ...] = ()

    def __getitem__(self, matrix: str) -> LayerGrid:
        return self.grids[matrix]

    def __iter__(self) -> Iterator[str]:
        return iter(self.grids)

    def __len__(self) -> int:
        return len(self.grids)

    def rows(self) -> list[Row]:
        """One row a cell of every grid."""
        return [row for grid in self.grids.values() for row in grid.rows()]

    def to_frame(self) -> DataFrame:
        """`rows` as a pandas DataFrame."""
        return _frame(self.rows())

    def to_dict(self) -> Row:
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
            "layers": list(self.layers),
            "condition_number": [_plain(number) for number in self.condition_number],
            "matrices": {matrix: grid.to_dict() for matrix, grid in self.grids.items()},
            "notes": list(self.notes),
        }

    def _repr_html_(self) -> str:
        return "".join(grid._repr_html_() for grid in self.grids.values())


@dataclass(frozen=True)
class LayerSeries:
    """φ between two adapters' matrices, layer by layer.

    Attributes:
        matrix: ``A``, ``B`` or ``delta`` (ΔW).
        side: Right for A, left for B and ΔW (Table 3).
        values: (layer,) φ.
        baseline: The Gaussian one, in closed form; its `mean_sd` is that of the mean over the layers.
    """

    matrix: str
    side: str
    layers: tuple[int, ...]
    values: Array
    baseline: Baseline

    @property
    def mean(self) -> float:
        """Mean φ over the layers."""
        return float(self.values.mean())

    def to_dict(self) -> Row:
        """For JSON."""
        return {
            "side": self.side,
            "phi": _plain(self.values),
            "mean": _plain(self.mean),
            "baseline": self.baseline.to_dict(),
        }


@dataclass(frozen=True)
class ComparisonResult(Mapping[str, LayerSeries]):
    """Do two adapters span alike? Table 3's form; ``result["delta"]`` is ΔW's row."""

    one: str
    other: str
    module: str
    i: int
    j: int
    layers: tuple[int, ...]
    series: Mapping[str, LayerSeries]
    notes: tuple[str, ...] = ()

    def __getitem__(self, matrix: str) -> LayerSeries:
        return self.series[matrix]

    def __iter__(self) -> Iterator[str]:
        return iter(self.series)

    def __len__(self) -> int:
        return len(self.series)

    def rows(self) -> list[Row]:
        """One row a layer and matrix."""
        return [
            {
                "module": self.module, "matrix": matrix, "side": series.side, "i": self.i,
                "j": self.j, "layer": layer, "phi": float(value),
                "gaussian_mean": series.baseline.mean, "gaussian_sd": series.baseline.sd,
            }
            for matrix, series in self.series.items()
            for layer, value in zip(self.layers, series.values, strict=True)
        ]  # fmt: skip

    def to_frame(self) -> DataFrame:
        """`rows` as a pandas DataFrame."""
        return _frame(self.rows())

    def to_dict(self) -> Row:
        """For JSON."""
        return {
            "one": self.one,
            "other": self.other,
            "module": self.module,
            "i": self.i,
            "j": self.j,
            "layers": list(self.layers),
            "matrices": {matrix: series.to_dict() for matrix, series in self.series.items()},
            "notes": list(self.notes),
        }

    def _repr_html_(self) -> str:
        title = f"φ of {self.one} against {self.other}, {self.module}, i={self.i}, j={self.j}"
        body = [[name, *series.values] for name, series in self.series.items()]
        return _html_table(title, ["layer", *self.layers], body, shaded=True)


@dataclass(frozen=True)
class LayerSummary:
    """One module of one layer: shape, scale and spectrum of its ΔW = s·B·A.

    Attributes:
        name, layer, module: Full path, layer number, short name.
        rank, in_features, out_features, scaling: Of its factors.
        frobenius_norm: ‖ΔW‖_F.
        stable_rank: ‖ΔW‖_F²/σ₁²; None for a zero ΔW.
        effective_rank: exp of the entropy of s/Σs, of s and not of s²; None for a zero ΔW.
        singular_values: Of ΔW, descending, `rank` of them.
    """

    name: str
    layer: int
    module: str
    rank: int
    in_features: int
    out_features: int
    scaling: float
    frobenius_norm: float
    stable_rank: float | None
    effective_rank: float | None
    singular_values: tuple[float, ...]


@dataclass(frozen=True)
class Inventory:
    """What is in an adapter: its modules layer by layer, and what was left out, with why."""

    adapter: str
    method: str
    base: str | None
    convention: str | None
    trainable_parameters: int
    modules: tuple[LayerSummary, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def rows(self) -> list[Row]:
        """One row a module and layer, without the singular values."""
        return [
            {key: value for key, value in vars(summary).items() if key != "singular_values"}
            for summary in self.modules
        ]

    def to_frame(self) -> DataFrame:
        """`rows` as a pandas DataFrame."""
        return _frame(self.rows())

    def to_dict(self) -> Row:
        """For JSON."""
        return {
            "adapter": self.adapter,
            "method": self.method,
            "base": self.base,
            "convention": self.convention,
            "trainable_parameters": self.trainable_parameters,
            "modules": [
                vars(summary) | {"singular_values": list(summary.singular_values)}
                for summary in self.modules
            ],
            "left_out": dict(self.left_out),
        }

    def _repr_html_(self) -> str:
        rows = self.rows()
        return _html_table(self.adapter, list(rows[0]), [list(row.values()) for row in rows])


def off_diagonal_mean(values: Array) -> float:
    """Mean of a square grid off its diagonal; NaN where there is nothing off it."""
    off = ~np.eye(len(values), dtype=bool)
    return float(values[off].mean()) if off.any() else float("nan")


def _plain(value: float | Array) -> Any:
    """Numbers as JSON has them: lists and floats, None for what is not finite."""
    if isinstance(value, np.ndarray):
        return [_plain(item) for item in value.tolist()] if value.ndim else _plain(value.item())
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return float(value) if np.isfinite(value) else None


def _frame(rows: list[Row]) -> DataFrame:
    import pandas

    return pandas.DataFrame(rows)


def _html_table(title: str, head: list[Any], body: list[list[Any]], *, shaded: bool = False) -> str:
    def cell(value: Any) -> str:
        if not isinstance(value, float):
            return f"<td>{html.escape(str(value))}</td>"
        shade = f' style="background:rgba(31,119,180,{0.75 * value:.3f})"' if shaded else ""
        return f"<td{shade}>{value:.3f}</td>"

    heads = "".join(f"<th>{html.escape(str(name))}</th>" for name in head)
    rows = "".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in body)
    return f"<table><caption>{html.escape(title)}</caption><tr>{heads}</tr>{rows}</table>"
