"""`lora-lens train`: one adapter on one GLUE task."""

from __future__ import annotations

import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .options import Convention

NAME = "train"


class MethodName(StrEnum):
    """Which adapter to train."""

    lora = "lora"
    condlora = "condlora"


def run(
    task: Annotated[str, typer.Option("--task", help="mrpc, rte, stsb, sst2, cola or qnli.")],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="DIR", show_default=False, help="Folder for the adapter."
        ),
    ],
    method: Annotated[MethodName, typer.Option("--method", help="The adapter.")] = MethodName.lora,
    convention: Annotated[
        Convention,
        typer.Option(
            "--convention", help="CondLoRA's: the paper's equations, or the released code."
        ),
    ] = Convention.consistent,
    base: Annotated[
        str, typer.Option("--base", metavar="PATH_OR_HUB_ID", help="Base model.")
    ] = "FacebookAI/roberta-base",
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="DIR",
            show_default="nyu-mll/glue on the hub",
            help="Folder of GLUE's own TSV files: MRPC/train.tsv, MRPC/dev.tsv, …",
        ),
    ] = None,
    target: Annotated[
        str, typer.Option("--target", help="Target modules, separated by commas.")
    ] = "query,value",
    rank: Annotated[int, typer.Option("--rank", "-r", min=1, help="r.")] = 8,
    alpha: Annotated[int, typer.Option("--alpha", min=1, help="α; ΔW is scaled by α/r.")] = 8,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            "--lr", show_default="the paper's for the task and method", help="Learning rate."
        ),
    ] = None,
    epochs: Annotated[float, typer.Option("--epochs", min=0, help="At most.")] = 100,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Rows a step.")] = 16,
    max_length: Annotated[
        int, typer.Option("--max-length", min=2, help="Tokens a row, at most.")
    ] = 512,
    warmup: Annotated[
        float, typer.Option("--warmup", min=0, max=1, help="Share of the steps.")
    ] = 0.1,
    weight_decay: Annotated[float, typer.Option("--weight-decay", min=0, help="AdamW's.")] = 0.1,
    patience: Annotated[
        int,
        typer.Option(
            "--patience", min=1, help="Stop after so many evaluations without a better one."
        ),
    ] = 30,
    seed: Annotated[int, typer.Option("--seed", help="Of initialisation and order.")] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint in --out.")
    ] = False,
    cpu: Annotated[bool, typer.Option("--cpu", help="Stay on the CPU.")] = False,
) -> None:
    """Train a LoRA or CondLoRA adapter on a GLUE task and keep the best development checkpoint.

    Nine tenths of GLUE's train set are trained on, one tenth decides which checkpoint is kept, and
    GLUE's development set is the test set, as in the paper; the defaults are the paper's. Writes
    the adapter and run.json with settings, versions, data checksums and scores. After Ctrl-C, go on
    with --resume.

    Example: lora-lens train --task mrpc --method condlora --data glue/ --out runs/mrpc-condlora
    """
    from ..errors import MissingExtraError

    try:
        from ..training.progress import ConsoleProgress, quiet_libraries
        from ..training.run import train
        from ..training.settings import RunSettings
    except ImportError as error:
        raise MissingExtraError(
            f'training needs the extra: pip install "lora-lens[train]" ({error})'
        ) from error
    quiet_libraries()
    settings = RunSettings(
        task=task,
        method=method.value,
        base=base,
        data=str(data) if data else None,
        convention=convention.value,
        target_modules=tuple(name.strip() for name in target.split(",") if name.strip()),
        rank=rank,
        alpha=alpha,
        learning_rate=learning_rate,
        epochs=epochs,
        batch_size=batch_size,
        max_length=max_length,
        warmup=warmup,
        weight_decay=weight_decay,
        patience=patience,
        seed=seed,
    )
    command = shlex.join(["lora-lens", *sys.argv[1:]])
    record = train(
        settings, out, resume=resume, use_cpu=cpu, command=command, callbacks=(ConsoleProgress(),)
    )
    typer.echo(
        f"{record['metric']}: {record['test_score']:.4f} on the test set, "
        f"{record['development_score']:.4f} on the development set, "
        f"{record['majority_score']:.4f} by always giving the commonest answer"
    )
    typer.echo(f"wrote {out}", err=True)
