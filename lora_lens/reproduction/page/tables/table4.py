"""Table 4: trainable parameters, and training examples a second measured side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ....several import counted
from ....show.layout import NONE, Table
from ...experiment.paper import NAMES, TABLE_4


def speed_table(record: Mapping[str, Any], base: str) -> Table:
    """A row a method: ours, and the paper's beside it."""
    rows = [
        [
            NAMES[method],
            f"{found['trainable_parameters']:,}",
            f"{found['examples_per_second']:.1f}",
            f"{found['bytes'] / 2**20:.0f}",
            *_of_paper(method),
        ]
        for method, found in record["methods"].items()
    ]
    if record["condlora_over_lora"] is not None:
        paper = TABLE_4["condlora"][1] / TABLE_4["lora"][1]
        ours = record["condlora_over_lora"]
        rows.append(["CondLoRA / LoRA", "", f"{ours:.3f}", "", "", f"{paper:.3f}"])
    memory = next(iter(record["methods"].values()))["memory"]
    return Table(
        f"{base}: trainable parameters (without the head) and training examples a second on "
        f"{record['device']}, {counted(record['threads'], 'thread')}, {record['batch_size']} rows of "
        f"{record['tokens']} tokens, {record['steps']} steps of each in turn, medians, of the ratio that over the turns; MiB {memory}",
        ["method", "parameters", "examples/s", "MiB", "parameters, paper", "examples/s, paper"],
        rows,
    )


def _of_paper(method: str) -> list[str]:
    if method not in TABLE_4:
        return [NONE, NONE]
    parameters, examples = TABLE_4[method]
    return [f"{parameters:,}", f"{examples:.1f}"]
