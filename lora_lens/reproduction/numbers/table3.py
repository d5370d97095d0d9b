"""Table 3: φ between LoRA's and CondLoRA's matrices, layer by layer, averaged over the seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...chance.baseline import Baseline
from ...questions.comparison.result import ComparisonResult, LayerSeries
from ...show.layout import LABELS, NONE, Table
from ..experiment.paper import TABLE_3, TABLE_3_GAUSSIAN, TASK_NAMES, VALUE_MODULES
from .analysis_records import Analyses, Record, answers
from .profile import Profile, likeness

_MATRICES = ("A", "B", "delta")


def comparison_table(analyses: Analyses, module: str) -> Table:
    """A row a task and matrix, a column a layer: mean over the seeds, beside chance and the paper's.

    Args:
        analyses: The records.
        module: The target module.

    Mean φ over the Gaussian mean compares models of different width. The paper's rows, which are of
    its value module, stand below ours of a module of that kind; where the model has as many layers the
    last columns are the correlation of ours with the paper's over them.
    """
    layers = next(answers(analyses, module, "comparison")).found["layers"]
    papers = TABLE_3 if module in VALUE_MODULES else {}
    rows = []
    for task, seeds in analyses.items():
        found = [record[module]["comparison"]["matrices"] for record in seeds.values()]
        for matrix in _MATRICES:
            by_layer = profile(seeds, module, matrix)
            alike = likeness(by_layer, papers.get(matrix, ()))
            rows.append(
                [
                    TASK_NAMES.get(task, task),
                    LABELS[matrix],
                    *_layers(by_layer),
                    *_against(by_layer, [one[matrix] for one in found]),
                    *alike.cells(),
                ]
            )
    for matrix, values in papers.items():
        shown = _layers(values) if len(values) == len(layers) else [NONE] * len(layers)
        mean = float(np.mean(values))
        beside = [f"{mean:.3f}", f"{TABLE_3_GAUSSIAN:.3f}", NONE, NONE]
        rows.append(
            ["paper", LABELS[matrix], *shown, *beside, _times(mean, TABLE_3_GAUSSIAN), NONE, NONE]
        )
    return Table(
        f"φ between LoRA and CondLoRA, {module}, i = j = r, mean over the seeds (right side for A, "
        "left for B and ΔW); beside unrelated subspaces (gaussian; z of the mean) and layers of one with "
        "other layers of the other (mismatched); r and p: correlation with the paper's over the layers",
        [
            "task", "matrix", *map(str, layers), "mean", "gaussian", "z", "mismatched",
            "mean / gaussian", "r, paper's", "p",
        ],
        rows,
    )  # fmt: skip


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


def _layers(values: Sequence[float] | Profile) -> list[str]:
    return [f"{value:.2f}" for value in values]


def _against(by_layer: Profile, found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Mean over the layers beside chance; the seeds' adapters are independent, so its deviation falls by √n."""
    mean, gaussian = float(by_layer.mean()), float(found[0]["baseline"]["mean"])
    deviation = found[0]["baseline"]["of_mean"]["sd"]
    z = (mean - gaussian) / (deviation / math.sqrt(len(found))) if deviation else math.nan
    nulls = [one["baselines"]["mismatched"] for one in found if "mismatched" in one["baselines"]]
    # By layer, for of older records the mean's own has layers in their places too; none where there are too few layers.
    shuffled = [np.mean([one for one in null["mean"] if one is not None]) for null in nulls]
    return [
        f"{mean:.3f}",
        f"{gaussian:.3f}",
        NONE if math.isnan(z) else f"{z:+.1f}",
        f"{np.mean(shuffled):.3f}" if shuffled else NONE,
        _times(mean, gaussian),
    ]


def _times(mean: float, gaussian: float) -> str:
    return f"{mean / gaussian:.1f}"
