"""Figure 1 in numbers: are LoRA's conversions more alike over the layers than chance makes them?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from .analysis_records import Analyses, answers
from .figure1 import MATRICES

LEVEL, _POWER = 0.05, 0.8


class Grid(NamedTuple):
    """One adapter's φ between its layers' conversions, of one factor, as its record has it."""

    task: str
    seed: int
    adapter: str
    matrix: str
    grid: Mapping[str, Any]


def grids_of(analyses: Analyses, module: str) -> list[Grid]:
    """Every adapter's of one module, factor by factor."""
    return [
        Grid(task, seed, found["adapter"], matrix, grid)
        for task, seed, found in answers(analyses, module, "similarity")
        for matrix, grid in found["matrices"].items()
    ]


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
    for matrix in MATRICES:
        grids = [one.grid for one in grids_of(analyses, module) if one.matrix == matrix]
        propagated = [grid["baselines"]["propagated"]["of_mean"] for grid in grids]
        gaussian = [grid["baselines"]["gaussian"]["of_mean"] for grid in grids]
        p = [one["p"] for one in propagated]
        deviation = float(np.mean([one["sd"] for one in propagated]))
        # A one-sided test of level 5 % with a normal statistic.
        reach = float(stats.norm.isf(LEVEL) + stats.norm.ppf(_POWER))
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
                found=sum(value <= LEVEL for value in p),
                # A p of 1 has no normal quantile.
                p=float(stats.combine_pvalues(np.clip(p, 0, 1 - 1e-3), "stouffer").pvalue),
                found_gaussian=sum(one["p"] <= LEVEL for one in gaussian),
            )
        )
    return taken


def together_rows(taken: Sequence[Taken]) -> list[dict[str, Any]]:
    """One row a module and factor, for CSV."""
    return [vars(one) for one in taken]


def conversion_rows(analyses: Analyses, module: str) -> list[dict[str, Any]]:
    """One row a task, seed and matrix, for CSV."""
    return [
        {
            "task": one.task, "adapter": one.adapter, "module": module, "matrix": one.matrix,
            "mean_phi": one.grid["mean"],
        }
        | {
            f"{null}_{key}": value
            for null, baseline in one.grid["baselines"].items()
            for key, value in baseline["of_mean"].items()
        }
        for one in grids_of(analyses, module)
    ]  # fmt: skip
