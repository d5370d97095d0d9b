"""Table 3: φ between LoRA's and CondLoRA's matrices, layer by layer, averaged over the seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ....show.layout import LABELS, NONE, Table
from ...experiment.paper import TABLE_3, TABLE_3_GAUSSIAN, TASK_NAMES, VALUE_MODULES
from ...numbers.analysis_records import Analyses, answers
from ...numbers.profile import Profile, likeness
from ...numbers.table3 import profile
from .likeness import likeness_cells

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
                    *likeness_cells(alike),
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
