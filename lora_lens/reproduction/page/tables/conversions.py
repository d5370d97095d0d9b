"""Figure 1 in numbers: all adapters taken together, and each by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ....show.layout import LABELS, Table, beside, p_value
from ...experiment.paper import TASK_NAMES
from ...numbers.analysis_records import Analyses
from ...numbers.conversions import Taken, grids_of


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


def conversion_table(analyses: Analyses, module: str) -> Table:
    """A row a task, seed and matrix: mean φ off the diagonal beside both baselines."""
    rows = [
        [
            TASK_NAMES.get(one.task, one.task),
            str(one.seed),
            LABELS[one.matrix],
            f"{one.grid['mean']:.3f}",
            _beside(one.grid["baselines"]["gaussian"]),
            _beside(one.grid["baselines"]["propagated"]),
            f"{one.grid['baselines']['propagated']['of_mean']['z']:+.1f}",
            f"{one.grid['baselines']['propagated']['of_mean']['p']:.3f}",
        ]
        for one in grids_of(analyses, module)
    ]
    return Table(
        f"Mean φ between the layers' conversions of LoRA, {module}, and what chance gives: mean ± sd "
        "of that mean; z and one-sided p against the propagated null",
        ["task", "seed", "matrix", "mean φ", "gaussian", "propagated", "z", "p"],
        rows,
    )


def _beside(baseline: Mapping[str, Any]) -> str:
    of_mean = baseline["of_mean"]
    return beside(of_mean["mean"], of_mean["sd"])
