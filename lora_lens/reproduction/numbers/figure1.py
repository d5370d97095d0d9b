"""Figure 1 by layer: how alike a layer's conversion is to the other layers', beside random factors'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...chance.baseline import Baseline
from ...questions.similarity.result import LayerGrid, SimilarityResult
from ...show.layout import NONE, Table
from ..experiment.paper import TASK_NAMES
from .analysis_records import Analyses, Record, answers
from .profile import Profile, likeness

_MATRICES = ("A", "B")  # on the left BA's subspace is B's


def layer_table(analyses: Analyses, module: str) -> Table:
    """A row a task and matrix, a column a layer: mean φ with the other layers, over the seeds.

    Below, the same of random factors through the same W0, and of unrelated subspaces, which have no
    layers. The last columns are the correlation of a task's profile with the random factors'.
    """
    first = next(answers(analyses, module, "similarity")).found
    chance = {matrix: _chance(analyses, module, matrix) for matrix in _MATRICES}
    rows = []
    for task, seeds in analyses.items():
        for matrix in _MATRICES:
            found = _over_seeds(seeds, module, matrix)
            alike = likeness(found, chance[matrix])
            rows.append([TASK_NAMES.get(task, task), matrix, *_cells(found), *alike.cells()])
    for matrix in _MATRICES:
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


def recorded(found: Mapping[str, Any]) -> SimilarityResult:
    """What was written down of `conversion_similarity`, as far as its figure shows it: grids and nulls' means, without draws."""
    about: dict[str, Any] = {
        name: found[name] for name in ("module", "side", "i", "j", "convention")
    }
    layers = tuple(found["layers"])
    grids = {
        matrix: LayerGrid(
            matrix=matrix, layers=layers, values=np.array(one["phi"]),
            baselines={
                null: Baseline(np.array(told["mean"]), np.array(told["sd"]), told["mean_sd"])
                for null, told in one["baselines"].items()
            },
            **about,
        )
        for matrix, one in found["matrices"].items()
    }  # fmt: skip
    return SimilarityResult(
        **about, **{name: found[name] for name in ("adapter", "base", "method")}, convention_why="",
        layers=layers, grids=grids, condition_number=tuple(found["condition_number"]),
    )  # fmt: skip


def layer_rows(analyses: Analyses, module: str) -> list[dict[str, Any]]:
    """One row a task, seed, matrix and layer, for CSV."""
    return [
        {
            "task": task, "adapter": found["adapter"], "module": module, "matrix": matrix, "layer": layer,
            "mean_phi": value, "propagated_mean": expected,
            "gaussian_mean": found["matrices"][matrix]["baselines"]["gaussian"]["mean"],
        }
        for task, _, found in answers(analyses, module, "similarity")
        for matrix in _MATRICES
        for layer, value, expected in zip(
            found["layers"],
            layer_profile(np.array(found["matrices"][matrix]["phi"])).tolist(),
            layer_profile(_propagated(found, matrix)).tolist(),
            strict=True,
        )
    ]  # fmt: skip


def profile_likeness(analyses: Analyses, module: str, matrix: str) -> tuple[float, float]:
    """The lowest and highest correlation of a task's profile with random factors' over the layers."""
    chance = _chance(analyses, module, matrix)
    found = [likeness(_over_seeds(seeds, module, matrix), chance).r for seeds in analyses.values()]
    return min(found), max(found)


def layer_profile(phi: Profile) -> Profile:
    """The mean of each row of a grid without its diagonal.

    Example:
        >>> layer_profile(np.array([[1.0, 0.2, 0.4], [0.2, 1.0, 0.6], [0.4, 0.6, 1.0]]))
        array([0.3, 0.4, 0.5])
    """
    others = len(phi) - 1
    return np.asarray((phi.sum(1) - np.diagonal(phi)) / others)


def _over_seeds(seeds: Mapping[int, Record], module: str, matrix: str) -> Profile:
    """A task's profile, mean over its seeds."""
    found = [record[module]["similarity"]["matrices"][matrix]["phi"] for record in seeds.values()]
    return np.asarray(np.mean([layer_profile(np.array(phi)) for phi in found], axis=0))


def _propagated(found: Mapping[str, Any], matrix: str) -> Profile:
    return np.array(found["matrices"][matrix]["baselines"]["propagated"]["mean"])


def _chance(analyses: Analyses, module: str, matrix: str) -> Profile:
    """It does not depend on the adapters: a mean over all of them has the least error by its draws."""
    found = [
        layer_profile(_propagated(one.found, matrix))
        for one in answers(analyses, module, "similarity")
    ]
    return np.asarray(np.mean(found, axis=0))


def _cells(by_layer: Profile) -> list[str]:
    return [*(f"{value:.3f}" for value in by_layer), f"{by_layer.mean():.3f}"]
