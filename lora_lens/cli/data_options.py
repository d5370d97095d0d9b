"""Options that say which rows: a GLUE task, or data of one's own."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from ..terminal.comma_lists import names


class MetricName(StrEnum):
    """Of data of one's own."""

    accuracy = "accuracy"
    f1 = "f1"
    matthews = "matthews"
    pearson = "pearson"


_SOURCE = "SOURCE"
Task = Annotated[
    str,
    typer.Option(
        "--task",
        help="mnli, sst2, mrpc, cola, qnli, qqp, rte, stsb or wnli; with --train, "
        "any name for data of your own.",
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        show_default="nyu-mll/glue on the hub",
        help="Folder of GLUE's own TSV files: MRPC/train.tsv, MRPC/dev.tsv, … They are at "
        "gluebenchmark.com/tasks, each task under its own terms.",
    ),
]
Train = Annotated[
    str | None,
    typer.Option(
        "--train",
        metavar=_SOURCE,
        show_default=False,
        help="Own data instead of GLUE: a .csv, .tsv, .jsonl or .json (one object a line) file, or "
        "ID#split or ID:config#split on the hub.",
    ),
]
Test = Annotated[
    str | None,
    typer.Option(
        "--test", metavar=_SOURCE, show_default=False, help="Own data: rows of the final score."
    ),
]
Development = Annotated[
    str | None,
    typer.Option(
        "--development",
        metavar=_SOURCE,
        show_default="10 % of --train",
        help="Own data: rows that decide which checkpoint is kept.",
    ),
]
Text = Annotated[
    str | None,
    typer.Option(
        "--text",
        metavar="COLUMN[,COLUMN]",
        show_default=False,
        help="Own data: column of the text, or of the two texts.",
    ),
]
Label = Annotated[
    str | None,
    typer.Option(
        "--label", metavar="COLUMN", show_default=False, help="Own data: column of the label."
    ),
]
Metric = Annotated[
    MetricName | None,
    typer.Option(
        "--metric",
        show_default="accuracy; pearson with --regression",
        help="Own data: f1 is that of the last of two classes.",
    ),
]
Regression = Annotated[
    bool, typer.Option("--regression", help="Own data: labels are numbers to predict.")
]


def data_fields(
    task: Task,
    data: Data = None,
    train: Train = None,
    test: Test = None,
    development: Development = None,
    text: Text = None,
    label: Label = None,
    metric: Metric = None,
    regression: Regression = False,
) -> dict[str, Any]:
    """The fields ``task``, ``data`` and ``own`` of a run's settings."""
    needed = {"--train": train, "--test": test, "--text": text, "--label": label}
    fields = {"task": task, "data": str(data) if data else None}
    if not any((*needed.values(), development, metric, regression)):
        return fields
    missing = [option for option, value in needed.items() if not value]
    if missing:
        raise typer.BadParameter(
            f"data of your own need --train, --test, --text and --label; {missing[0]} is missing",
            param_hint=missing[0],
        )
    from ..training.data import OwnData

    own = OwnData(
        train=str(train),
        test=str(test),
        development=development,
        text=names(str(text)),
        label=str(label),
        metric=metric.value if metric else None,
        regression=regression,
    )
    return fields | {"own": own}
