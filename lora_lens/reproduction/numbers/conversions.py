"""Figure 1 in numbers: are LoRA's conversions more alike over the layers than chance makes them?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from ...show.layout import LABELS, Table, beside, p_value
from ..experiment.paper import TASK_NAMES
from .analysis_records import Analyses, answers

_FACTORS = ("A", "B")  # on the left BA's subspace is B's
_LEVEL, _POWER = 0.05, 0.8


@dataclass(frozen=True)
class Taken:
    """All adapters' mean φ of one module and factor taken together.

    Attributes:
        module, matrix: Of what.
        adapters: How many.
        mean, gaussian, propagated: Mean φ between the layers, and what both nulls expect.
        excess: Over the propagated null, mean.
        detectable: The excess of a single adapter that the test finds in 80 of 100 cases at 5 %.
        found: Of how many adapters p ≤ 0.05 against the propagated null.
        p: Of all together, by Stouffer's method. Runs of one seed begin with the same A, whatever the
            task, so that A's is too small if anything.
        found_gaussian: Of how many adapters p ≤ 0.05 against the Gaussian null.
    """

    module: str
    matrix: str
    adapters: int
    mean: float
    gaussian: float
    propagated: float
    excess: float
    detectable: float
    found: int
    p: float
    found_gaussian: int


def taken_together(analyses: Analyses, module: str) -> list[Taken]:
    """One value a factor."""
    taken = []
    for matrix in _FACTORS:
        grids = [grid for *_, name, grid in _grids(analyses, module) if name == matrix]
        propagated = [grid["baselines"]["propagated"]["of_mean"] for grid in grids]
        gaussian = [grid["baselines"]["gaussian"]["of_mean"] for grid in grids]
        p = [one["p"] for one in propagated]
        deviation = float(np.mean([one["sd"] for one in propagated]))
        # A one-sided test of level 5 % with a normal statistic.
        reach = float(stats.norm.isf(_LEVEL) + stats.norm.ppf(_POWER))
        taken.append(
            Taken(
                module=module,
                matrix=matrix,
                adapters=len(grids),
                mean=float(np.mean([grid["mean"] for grid in grids])),
                gaussian=float(np.mean([one["mean"] for one in gaussian])),
                propagated=float(np.mean([one["mean"] for one in propagated])),
                excess=float(np.mean([one["excess"] for one in propagated])),
                detectable=reach * deviation,
                found=sum(value <= _LEVEL for value in p),
                # A p of 1 has no normal quantile.
                p=float(stats.combine_pvalues(np.clip(p, 0, 1 - 1e-3), "stouffer").pvalue),
                found_gaussian=sum(one["p"] <= _LEVEL for one in gaussian),
            )
        )
    return taken


def together_table(taken: Sequence[Taken]) -> Table:
    """A row a module and factor."""
    rows = [
        [
            one.module,
            one.matrix,
            str(one.adapters),
            f"{one.mean:.3f}",
            f"{one.gaussian:.3f}",
            f"{one.propagated:.3f}",
            f"{one.excess:+.3f}",
            f"{one.detectable:.3f}",
            f"{one.found} of {one.adapters}",
            p_value(one.p),
        ]
        for one in taken
    ]
    return Table(
        "All LoRA adapters taken together: mean φ between the layers' conversions, what unrelated subspaces "
        "(gaussian) and random factors through the same W0 (propagated) give, and about the latter: mean excess, "
        "the excess of one adapter that is found with 80 % power, adapters with p up to 0.05, and Stouffer's p of all, "
        "not corrected for the rows",
        [
            "module", "matrix", "adapters", "mean φ", "gaussian", "propagated", "excess", "detectable",
            "p to 0.05", "p, combined",
        ],
        rows,
    )  # fmt: skip


def together_rows(taken: Sequence[Taken]) -> list[dict[str, Any]]:
    """One row a module and factor, for CSV."""
    return [vars(one) for one in taken]


def conversion_table(analyses: Analyses, module: str) -> Table:
    """A row a task, seed and matrix: mean φ off the diagonal beside both baselines."""
    rows = [
        [
            TASK_NAMES.get(task, task),
            str(seed),
            LABELS[matrix],
            f"{grid['mean']:.3f}",
            _beside(grid["baselines"]["gaussian"]),
            _beside(grid["baselines"]["propagated"]),
            f"{grid['baselines']['propagated']['of_mean']['z']:+.1f}",
            f"{grid['baselines']['propagated']['of_mean']['p']:.3f}",
        ]
        for task, seed, _, matrix, grid in _grids(analyses, module)
    ]
    return Table(
        f"Mean φ between the layers' conversions of LoRA, {module}, and what chance gives: mean ± sd "
        "of that mean; z and one-sided p against the propagated null",
        ["task", "seed", "matrix", "mean φ", "gaussian", "propagated", "z", "p"],
        rows,
    )


def conversion_rows(analyses: Analyses, module: str) -> list[dict[str, Any]]:
    """One row a task, seed and matrix, for CSV."""
    return [
        {"task": task, "adapter": adapter, "module": module, "matrix": matrix, "mean_phi": grid["mean"]}
        | {
            f"{null}_{key}": value
            for null, baseline in grid["baselines"].items()
            for key, value in baseline["of_mean"].items()
        }
        for task, _, adapter, matrix, grid in _grids(analyses, module)
    ]  # fmt: skip


def _grids(analyses: Analyses, module: str) -> list[tuple[str, int, str, str, Mapping[str, Any]]]:
    """Task, seed, adapter, matrix, and the grid of it."""
    return [
        (task, seed, found["adapter"], matrix, grid)
        for task, seed, found in answers(analyses, module, "similarity")
        for matrix, grid in found["matrices"].items()
    ]


def _beside(baseline: Mapping[str, Any]) -> str:
    of_mean = baseline["of_mean"]
    return beside(of_mean["mean"], of_mean["sd"])
