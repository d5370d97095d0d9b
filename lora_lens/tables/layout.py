"""Each result as plain tables of text: what the terminal, Markdown and LaTeX all show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..results import ComparisonResult, Inventory, LayerGrid, SimilarityResult

LABELS = {"A": "A", "B": "B", "BA": "BA", "delta": "ΔW"}


class Table(NamedTuple):
    """A title, column heads, and rows of text."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def number(value: float | None, digits: int = 3) -> str:
    """A number of a fixed count of decimals, or a dash where there is none."""
    return "–" if value is None or not np.isfinite(value) else f"{value:.{digits}f}"


def compact(value: float | None) -> str:
    """A number of four significant digits, for norms and condition numbers."""
    return "–" if value is None or not np.isfinite(value) else f"{value:.4g}"


def similarity_title(result: SimilarityResult) -> str:
    """What the grids of a result show, in one line."""
    return (
        f"φ of {result.module} conversions between layers: {result.side} side, i = {result.i}, "
        f"j = {result.j}, {result.convention}"
    )


def similarity_summary(result: SimilarityResult) -> Table:
    """Mean φ off the diagonal beside both baselines, a row a matrix."""
    head = ["matrix", "mean φ", "highest pair", "gaussian", "propagated"]
    rows = [
        [
            LABELS[matrix],
            number(grid.mean),
            _highest_pair(grid),
            _beside(grid, "gaussian"),
            _beside(grid, "propagated"),
        ]
        for matrix, grid in result.items()
    ]
    return Table(
        "Mean φ off the diagonal, beside what chance gives (± sd of that mean)", head, rows
    )


def _highest_pair(grid: LayerGrid) -> str:
    off = np.where(np.eye(len(grid.layers), dtype=bool), -1.0, grid.values)
    if len(grid.layers) == 1:
        return "–"
    row, column = np.unravel_index(int(off.argmax()), off.shape)
    return f"{off[row, column]:.3f} ({grid.layers[row]}, {grid.layers[column]})"


def _beside(grid: LayerGrid, name: str) -> str:
    baseline = grid.baselines.get(name)
    if baseline is None:
        return "–"
    return f"{number(grid.baseline_mean(name))} ± {number(baseline.mean_sd)}"


def grid_table(grid: LayerGrid) -> Table:
    """One matrix's layer×layer grid."""
    rows = [
        [str(layer), *(f"{value:.3f}" for value in row)]
        for layer, row in zip(grid.layers, grid.values, strict=True)
    ]
    return Table(f"φ of {LABELS[grid.matrix]} conversions", ["layer", *map(str, grid.layers)], rows)


def condition_table(result: SimilarityResult) -> Table:
    """Condition number of each layer's W0."""
    row = ["condition number of W0", *map(compact, result.condition_number)]
    return Table("Conditioning", ["layer", *map(str, result.layers)], [row])


def comparison_table(result: ComparisonResult) -> Table:
    """Table 3: a row a matrix, a column a layer, the mean and the Gaussian baseline at the end."""
    rows = [
        [
            LABELS[matrix],
            series.side,
            *(f"{value:.2f}" for value in series.values),
            number(series.mean),
            f"{number(float(series.baseline.mean))} ± {number(series.baseline.mean_sd)}",
        ]
        for matrix, series in result.items()
    ]
    title = (
        f"φ between two adapters, layer by layer: {result.module}, i = {result.i}, j = {result.j}"
    )
    return Table(title, ["matrix", "side", *map(str, result.layers), "mean", "gaussian"], rows)


def inventory_table(result: Inventory) -> Table:
    """A row a module and layer."""
    head = [
        "layer",
        "module",
        "rank",
        "in",
        "out",
        "scaling",
        "‖ΔW‖_F",
        "stable rank",
        "effective rank (s)",
    ]
    rows = [
        [
            str(s.layer), s.module, str(s.rank), str(s.in_features), str(s.out_features),
            compact(s.scaling), compact(s.frobenius_norm), number(s.stable_rank, 2),
            number(s.effective_rank, 2),
        ]
        for s in result.modules
    ]  # fmt: skip
    return Table("ΔW = s·B·A, layer by layer", head, rows)


def left_out_table(result: Inventory) -> Table:
    """Tensors of the file that are not analysed, and why."""
    return Table(
        "Left out", ["tensor", "why"], [[name, why] for name, why in result.left_out.items()]
    )
