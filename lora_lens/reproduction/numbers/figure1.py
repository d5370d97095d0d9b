"""Figure 1 by layer: how alike a layer's conversion is to the other layers', beside random factors'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...chance.baseline import Baseline
from ...questions.similarity.result import LayerGrid, SimilarityResult
from .analysis_records import Analyses, Record, answers
from .profile import Profile, likeness

MATRICES = ("A", "B")  # on the left BA's subspace is B's


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
        for matrix in MATRICES
        for layer, value, expected in zip(
            found["layers"],
            layer_profile(np.array(found["matrices"][matrix]["phi"])).tolist(),
            layer_profile(_propagated(found, matrix)).tolist(),
            strict=True,
        )
    ]  # fmt: skip


def profile_likeness(analyses: Analyses, module: str, matrix: str) -> tuple[float, float]:
    """The lowest and highest correlation of a task's profile with random factors' over the layers."""
    chance = random_profile(analyses, module, matrix)
    found = [likeness(over_seeds(seeds, module, matrix), chance).r for seeds in analyses.values()]
    return min(found), max(found)


def layer_profile(phi: Profile) -> Profile:
    """The mean of each row of a grid without its diagonal.

    Example:
        >>> layer_profile(np.array([[1.0, 0.2, 0.4], [0.2, 1.0, 0.6], [0.4, 0.6, 1.0]]))
        array([0.3, 0.4, 0.5])
    """
    others = len(phi) - 1
    return np.asarray((phi.sum(1) - np.diagonal(phi)) / others)


def over_seeds(seeds: Mapping[int, Record], module: str, matrix: str) -> Profile:
    """A task's profile, mean over its seeds."""
    found = [record[module]["similarity"]["matrices"][matrix]["phi"] for record in seeds.values()]
    return np.asarray(np.mean([layer_profile(np.array(phi)) for phi in found], axis=0))


def _propagated(found: Mapping[str, Any], matrix: str) -> Profile:
    return np.array(found["matrices"][matrix]["baselines"]["propagated"]["mean"])


def random_profile(analyses: Analyses, module: str, matrix: str) -> Profile:
    """That of random factors through the same W0; a mean over all adapters, on which it does not depend, has the least error by draws."""
    found = [
        layer_profile(_propagated(one.found, matrix))
        for one in answers(analyses, module, "similarity")
    ]
    return np.asarray(np.mean(found, axis=0))
