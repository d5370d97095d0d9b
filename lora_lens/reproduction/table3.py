"""Table 3: φ between LoRA's and CondLoRA's matrices, layer by layer, averaged over the seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..show.layout import LABELS, Table
from .paper import TABLE_3, TABLE_3_GAUSSIAN

_MATRICES = ("A", "B", "delta")


def comparison_table(analyses: Mapping[str, Sequence[Mapping[str, Any]]], module: str) -> Table:
    """A row a task and matrix, a column a layer: mean over the seeds, beside the Gaussian baseline.

    Args:
        analyses: Task to the records of its seeds, as `analyse` wrote them.
        module: The target module.

    The last column, mean φ over the Gaussian mean, compares models of different width; the paper's
    row stands below, with its layers where the model has as many.
    """
    layers = next(iter(analyses.values()))[0][module]["comparison"]["layers"]
    rows = []
    for task, records in analyses.items():
        found = [record[module]["comparison"]["matrices"] for record in records]
        for matrix in _MATRICES:
            by_layer = np.mean([one[matrix]["phi"] for one in found], axis=0)
            gaussian = float(found[0][matrix]["baseline"]["mean"])
            rows.append([task, *_row(matrix, by_layer, gaussian)])
    for matrix, values in TABLE_3.items() if module == "value" else ():
        shown = _row(matrix, np.array(values), TABLE_3_GAUSSIAN)
        if len(values) != len(layers):
            shown[1:-3] = ["–"] * len(layers)
        rows.append(["paper", *shown])
    return Table(
        f"φ between LoRA and CondLoRA, {module}, i = j = r, mean over the seeds (right side for A, "
        "left for B and ΔW)",
        ["task", "matrix", *map(str, layers), "mean", "gaussian", "mean / gaussian"],
        rows,
    )


def comparison_rows(
    analyses: Mapping[str, Sequence[Mapping[str, Any]]], module: str
) -> list[dict[str, Any]]:
    """One row a task, seed, matrix and layer, for CSV."""
    return [
        {
            "task": task, "one": found["one"], "other": found["other"], "module": module,
            "matrix": matrix, "layer": layer, "phi": value, "gaussian_mean": series["baseline"]["mean"],
            "gaussian_sd": series["baseline"]["sd"],
        }
        for task, records in analyses.items()
        for found in (record[module]["comparison"] for record in records)
        for matrix, series in found["matrices"].items()
        for layer, value in zip(found["layers"], series["phi"], strict=True)
    ]  # fmt: skip


def _row(matrix: str, values: np.ndarray[Any, Any], gaussian: float) -> list[str]:
    mean = float(values.mean())
    cells = [f"{value:.2f}" for value in values]
    return [LABELS[matrix], *cells, f"{mean:.3f}", f"{gaussian:.3f}", f"{mean / gaussian:.1f}"]
