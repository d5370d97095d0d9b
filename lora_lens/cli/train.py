"""`lora-lens train`: one adapter on one task."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ..terminal.option_groups import with_options
from ..terminal.options import Json, Private, PushToHub
from ..terminal.printing import echo, print_json, say, warnings_as_lines
from .data_options import data_fields
from .training_extra import training_libraries
from .training_options import Cpu, run_fields

NAME = "train"
_AGAIN = "the same command with --resume"


@with_options(data=data_fields, fields=run_fields)
def run(
    data: dict[str, Any],
    fields: dict[str, Any],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="DIR", show_default=False, help="Folder for the adapter."
        ),
    ],
    learning_rate: Annotated[
        float | None,
        typer.Option(
            "--lr", show_default="the paper's for the task and method", help="Learning rate."
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on from the last checkpoint in --out; of a run that has ended, write the card.",
        ),
    ] = False,
    keep_checkpoints: Annotated[
        bool,
        typer.Option(
            "--keep-checkpoints", help="Keep one of every evaluation, for lora-lens dynamics."
        ),
    ] = False,
    cpu: Cpu = False,
    push_to_hub: PushToHub = None,
    private: Private = False,
    as_json: Json = False,
) -> None:
    """Train a LoRA, CondLoRA, AdaLoRA or CondAdaLoRA adapter on a GLUE task, or on your own rows, and keep the best development checkpoint.

    Nine tenths of GLUE's train set are trained on, one tenth decides which checkpoint is kept, and
    GLUE's development set is the test set, as in the paper; the defaults are the paper's. Writes
    the adapter, TensorBoard's logs, run.json with settings, versions, data checksums and scores, and a
    model card with the scores and spectra (README.md; your own, or one that you have changed, stays).
    After Ctrl-C, go on with --resume. --json prints what run.json holds, and the commit of a push.

    --push-to-hub uploads the adapter, run.json and the card with its figure, and nothing else: no logs,
    which name this machine, and of folders and files in run.json and adapter_config.json the last name, or as many as tell two apart.

    Several cards: accelerate launch --num_processes 4 -m lora_lens train …, or torchrun.

    Own data: lora-lens train --task irony --train irony.csv --test test.csv --text tweet --label
    ironic --lr 5e-4 --out irony

    Example: lora-lens train --task mrpc --method condlora --data glue/ --out runs/mrpc-condlora
    """
    from ..card.push import check_asked

    check_asked(push_to_hub, private=private)
    training_libraries()
    from ..card.write import FILES as OF_CARD
    from ..training.alone import is_first_process
    from ..training.progress import ConsoleProgress
    from ..training.record import FILES as OF_RUN
    from ..training.run import train
    from ..training.settings import RunSettings
    from .pushing import pushed

    with warnings_as_lines():
        record = train(
            RunSettings(**data, **fields, learning_rate=learning_rate),
            out,
            resume=resume,
            use_cpu=cpu,
            keep_checkpoints=keep_checkpoints,
            command=shlex.join(["lora-lens", *sys.argv[1:]]),
            callbacks=(ConsoleProgress(),),
        )
    if not is_first_process():
        return
    say(f"wrote {out}")
    try:
        _leave_card(out, record, push_to_hub)
        if push_to_hub is not None:
            record["commit"] = pushed(
                out,
                push_to_hub,
                files=(*OF_RUN, *OF_CARD),
                private=private,
                as_json=as_json,
                again=_AGAIN,
            )
    finally:  # when all is written, though nobody may read it
        if as_json:
            print_json(record)
        else:
            echo(
                f"{record['metric']}: {record['test_score']:.4f} on the test set, "
                f"{record['development_score']:.4f} on the development set, "
                f"{record['majority_score']:.4f} by always giving the commonest answer"
            )


def _leave_card(out: Path, record: dict[str, Any], repository: str | None) -> None:
    """Write the model card, or say that another is there."""
    from ..card.write import write_card

    try:
        if not write_card(out, record, repository):
            echo(
                f"{out / 'README.md'} is not lora-lens's, or was changed since, and stays as it is",
                err=True,
            )
    except KeyboardInterrupt as error:
        message = f": {out} holds the whole adapter, and {_AGAIN} writes its model card"
        raise type(error)(message) from None
