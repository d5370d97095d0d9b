"""Each result as plain tables of text: what the terminal, Markdown and LaTeX all show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..results import ComparisonResult, Inventory, LayerGrid, Significance, SimilarityResult

LABELS = {"A": "A", "B": "B", "BA": "BA", "delta": "ΔW"}


_NULLS = {
    "gaussian": "unrelated subspaces",
    "propagated": "random factors through the same W0",
    "mismatched": "the adapter's factors, each through another layer's W0",
    "initialisation": "A as PEFT starts it, through W0",
}
_COLUMNS = (
    "± sd of that mean; p: share of draws that reach φ; excess: (φ − null)/(1 − null); {what}: those "
    "above the null at a false discovery rate of 0.05 (Benjamini-Hochberg)."
)


class Table(NamedTuple):
    """A title, column heads, and rows of text."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def number(value: float | None, digits: int = 3) -> str:
    """A number of a fixed count of decimals, or a dash where there is none."""
    return "–" if value is None or not np.isfinite(value) else f"{value:.{digits}f}"


def signed(value: float | None, digits: int) -> str:
    """A number with its sign, or a dash where there is none; 0 has no sign."""
    if value is None or not np.isfinite(value):
        return "–"
    text = f"{value:+.{digits}f}"
    return text if float(text) else text[1:]


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
    """Mean φ off the diagonal against each null: a row a matrix and null."""
    head = ["matrix", "mean φ", "null", "null mean", "z", "p", "excess", "pairs"]
    rows = []
    for matrix, grid in result.items():
        labels = [LABELS[matrix], number(grid.mean)]
        for name, test in grid.significance.items():
            rows.append([*labels, name, *_tested(test)])
            labels = [""] * 2
    return Table("Mean φ off the diagonal, against what chance gives", head, rows)


def _tested(test: Significance) -> list[str]:
    mean = test.of_mean
    null = f"{number(mean.mean)} ± {number(mean.sd)}" if test.tests else "–"
    found = "–" if np.isnan(test.p_bh).all() else f"{test.discoveries} of {test.tests}"
    return [
        null,
        signed(mean.z, 1 if abs(mean.z) < 100 else 0),
        number(mean.p),
        signed(mean.excess, 3),
        found,
    ]


def null_legend(result: SimilarityResult) -> list[str]:
    """What the nulls and the columns of the summary mean, and which nulls are not there, and why."""
    grids = list(result.values())
    names = [name for name in _NULLS if any(name in grid.baselines for grid in grids)]
    lines = ["; ".join(f"{name}: {_NULLS[name]}" for name in names) + "."] if names else []
    draws = {baseline.draws for grid in grids for baseline in grid.baselines.values()} - {None}
    if draws:
        lines.append(_COLUMNS.format(what="pairs"))
    reasons: dict[tuple[str, str], list[str]] = {}
    for grid in grids:
        for name, reason in grid.absent.items():
            reasons.setdefault((name, reason), []).append(LABELS[grid.matrix])
    lines += [
        f"no {name} null for {', '.join(matrices)}: {reason}."
        for (name, reason), matrices in reasons.items()
    ]
    return lines


def highest_pairs(result: SimilarityResult) -> str:
    """Each matrix's highest φ off the diagonal, its layers, and its p-value by the max-statistic."""
    if len(result.layers) == 1:
        return "there are no two layers to compare"
    tested = all(not np.isnan(p) for p in map(_highest_p, result.values()))
    pairs = []
    for matrix, grid in result.items():
        row, column = _highest(grid)
        pair = f"{grid.layers[row]}, {grid.layers[column]}"
        p = f", p = {number(_highest_p(grid))}" if tested else ""
        pairs.append(f"{LABELS[matrix]} {grid.values[row, column]:.3f} ({pair}){p}")
    how = " (propagated null, max-statistic over all pairs)" if tested else ""
    return f"highest pair: {'; '.join(pairs)}{how}"


def _highest(grid: LayerGrid) -> tuple[int, int]:
    off = np.where(np.eye(len(grid.layers), dtype=bool), -1.0, grid.values)
    row, column = np.unravel_index(int(off.argmax()), off.shape)
    return int(row), int(column)


def _highest_p(grid: LayerGrid) -> float:
    test = grid.significance.get("propagated")
    return float("nan") if test is None else float(test.p_max[_highest(grid)])


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


def comparison_tests(result: ComparisonResult) -> Table:
    """The mean over the layers against the Gaussian null, a row a matrix."""
    rows = [
        [LABELS[matrix], number(series.mean), *_tested(series.significance)]
        for matrix, series in result.items()
    ]
    head = ["matrix", "mean φ", "gaussian", "z", "p", "excess", "layers"]
    return Table("Mean φ over the layers, against unrelated subspaces", head, rows)


def comparison_legend() -> str:
    """What the columns of `comparison_tests` mean."""
    return _COLUMNS.format(what="layers")


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
