"""Figure 1 by layer: how alike a layer's conversion is to the other layers', beside random factors'."""

from __future__ import annotations

from ....show.layout import NONE, Table
from ...experiment.paper import TASK_NAMES
from ...numbers.analysis_records import Analyses, answers
from ...numbers.figure1 import MATRICES, over_seeds, random_profile
from ...numbers.profile import Profile, likeness
from .likeness import likeness_cells


def layer_table(analyses: Analyses, module: str) -> Table:
    """A row a task and matrix, a column a layer: mean φ with the other layers, over the seeds.

    Below, the same of random factors through the same W0, and of unrelated subspaces, which have no
    layers. The last columns are the correlation of a task's profile with the random factors'.
    """
    first = next(answers(analyses, module, "similarity")).found
    chance = {matrix: random_profile(analyses, module, matrix) for matrix in MATRICES}
    rows = []
    for task, seeds in analyses.items():
        for matrix in MATRICES:
            found = over_seeds(seeds, module, matrix)
            alike = likeness(found, chance[matrix])
            rows.append(
                [TASK_NAMES.get(task, task), matrix, *_cells(found), *likeness_cells(alike)]
            )
    for matrix in MATRICES:
        gaussian = float(first["matrices"][matrix]["baselines"]["gaussian"]["mean"])
        rows.append(["propagated", matrix, *_cells(chance[matrix]), NONE, NONE])
        rows.append(
            ["gaussian", matrix, *[f"{gaussian:.3f}"] * (len(first["layers"]) + 1), NONE, NONE]
        )
    return Table(
        f"Mean φ of each layer's conversion with the other layers', {module}, LoRA, over the seeds; random "
        "factors through the same W0 (propagated) and unrelated subspaces (gaussian); r and p: "
        "correlation with the propagated row over the layers",
        ["task", "matrix", *map(str, first["layers"]), "mean", "r, propagated", "p"],
        rows,
    )


def _cells(by_layer: Profile) -> list[str]:
    return [*(f"{value:.3f}" for value in by_layer), f"{by_layer.mean():.3f}"]
