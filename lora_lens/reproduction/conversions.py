"""Figure 1 in numbers: are LoRA's conversions more alike over the layers than chance makes them?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..show.layout import LABELS, Table


def conversion_table(analyses: Mapping[str, Sequence[Mapping[str, Any]]], module: str) -> Table:
    """A row a task, seed and matrix: mean φ off the diagonal beside both baselines."""
    rows = [
        [
            task,
            found["adapter"].rsplit("-", 1)[-1],
            LABELS[matrix],
            f"{grid['mean']:.3f}",
            _beside(grid["baselines"]["gaussian"]),
            _beside(grid["baselines"]["propagated"]),
            f"{grid['baselines']['propagated']['of_mean']['z']:+.1f}".replace("-", "−"),
            f"{grid['baselines']['propagated']['of_mean']['p']:.3f}",
        ]
        for task, found, matrix, grid in _grids(analyses, module)
    ]
    return Table(
        f"Mean φ between the layers' conversions of LoRA, {module}, and what chance gives: mean ± sd "
        "of that mean; z and one-sided p against the propagated null",
        ["task", "seed", "matrix", "mean φ", "gaussian", "propagated", "z", "p"],
        rows,
    )


def conversion_rows(
    analyses: Mapping[str, Sequence[Mapping[str, Any]]], module: str
) -> list[dict[str, Any]]:
    """One row a task, seed and matrix, for CSV."""
    return [
        {"task": task, "adapter": found["adapter"], "module": module, "matrix": matrix, "mean_phi": grid["mean"]}
        | {
            f"{null}_{key}": value
            for null, baseline in grid["baselines"].items()
            for key, value in baseline["of_mean"].items()
        }
        for task, found, matrix, grid in _grids(analyses, module)
    ]  # fmt: skip


def _grids(
    analyses: Mapping[str, Sequence[Mapping[str, Any]]], module: str
) -> list[tuple[str, Mapping[str, Any], str, Mapping[str, Any]]]:
    return [
        (task, found, matrix, grid)
        for task, records in analyses.items()
        for found in (record[module]["similarity"] for record in records)
        for matrix, grid in found["matrices"].items()
    ]


def _beside(baseline: Mapping[str, Any]) -> str:
    of_mean = baseline["of_mean"]
    return f"{of_mean['mean']:.3f} ± {of_mean['sd']:.3f}"
