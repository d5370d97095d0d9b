"""Table 3: φ between LoRA's and CondLoRA's matrices, layer by layer, averaged over the seeds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...chance.baseline import Baseline
from ...questions.comparison.result import ComparisonResult, LayerSeries
from .analysis_records import Analyses, Record, answers
from .profile import Profile


def recorded_comparison(found: Mapping[str, Any]) -> ComparisonResult:
    """What was written down of `compare`, as far as its figure shows it: φ and nulls' means, without draws."""
    layers = tuple(found["layers"])
    series = {
        matrix: LayerSeries(
            matrix=matrix, side=one["side"], layers=layers, values=np.array(one["phi"]),
            baselines={
                null: Baseline(np.array(told["mean"]), np.array(told["sd"]), told["mean_sd"])
                for null, told in {"gaussian": one["baseline"], **one["baselines"]}.items()
            },
        )
        for matrix, one in found["matrices"].items()
    }  # fmt: skip
    about = {name: found[name] for name in ("one", "other", "module", "i", "j")}
    return ComparisonResult(**about, layers=layers, series=series)


def comparison_rows(analyses: Analyses, module: str) -> list[dict[str, Any]]:
    """One row a task, seed, matrix and layer, for CSV."""
    return [
        {
            "task": task, "one": found["one"], "other": found["other"], "module": module,
            "matrix": matrix, "layer": layer, "phi": value, "gaussian_mean": series["baseline"]["mean"],
            "gaussian_sd": series["baseline"]["sd"],
        }
        for task, _, found in answers(analyses, module, "comparison")
        for matrix, series in found["matrices"].items()
        for layer, value in zip(found["layers"], series["phi"], strict=True)
    ]  # fmt: skip


def profile(seeds: Mapping[int, Record], module: str, matrix: str) -> Profile:
    """φ by layer of one task's adapters, mean over the seeds."""
    found = [record[module]["comparison"]["matrices"][matrix]["phi"] for record in seeds.values()]
    return np.asarray(np.mean(found, axis=0))
