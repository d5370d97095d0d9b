"""`lora-lens evaluate`: the score of a saved adapter."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from ..terminal.option_groups import with_options
from ..terminal.options import AdapterFolder, Json
from ..terminal.printing import echo, print_json, warnings_as_lines
from .data_options import data_fields
from .training_extra import training_libraries
from .training_options import Cpu

NAME = "evaluate"


class PartName(StrEnum):
    """Which rows."""

    test = "test"
    development = "development"
    unused = "unused"


@with_options(data=data_fields)
def run(
    data: dict[str, Any],
    adapter: AdapterFolder,
    base: Annotated[
        str | None,
        typer.Option(
            "--base",
            metavar="PATH_OR_HUB_ID",
            show_default="the one that the adapter names",
            help="Base model.",
        ),
    ] = None,
    part: Annotated[
        PartName,
        typer.Option(
            "--part",
            help="test: GLUE's development set; development: the tenth of train held out; unused: the rows of --unused-rows.",
        ),
    ] = PartName.test,
    max_length: Annotated[
        int | None,
        typer.Option("--max-length", min=2, show_default="the run's own, or 512", help="Tokens."),
    ] = None,
    cpu: Cpu = False,
    as_json: Json = False,
) -> None:
    """Score a saved adapter, lora-lens's or PEFT's, on a task.

    Example: lora-lens evaluate runs/mrpc-condlora --task mrpc --data glue/
    """
    training_libraries()
    from ..training.evaluate import evaluate

    with warnings_as_lines():
        found = evaluate(
            adapter,
            **data,
            base=base,
            part=part.value,
            max_length=max_length,
            use_cpu=cpu,
        )
    if as_json:
        from dataclasses import asdict

        print_json(asdict(found))
        return
    echo(
        f"{found.metric}: {found.score:.4f} on {found.rows} {found.part} rows of {found.task}, "
        f"{found.majority_score:.4f} by always giving the commonest answer"
    )
