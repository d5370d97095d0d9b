"""Options that the commands which train share, each said once, and the settings they make."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from .options import Convention

class MethodName(StrEnum):
    """Which adapter to train."""

    lora = "lora"
    condlora = "condlora"


class PrecisionName(StrEnum):
    """Of the forward pass."""

    float32 = "float32"
    bfloat16 = "bfloat16"


class SamplerName(StrEnum):
    """Who proposes trials."""

    tpe = "tpe"
    qmc = "qmc"


Task = Annotated[
    str,
    typer.Option("--task", help="cola, sst2, mrpc, stsb, mnli, qnli, qqp, rte or wnli."),
]
Method = Annotated[MethodName, typer.Option("--method", help="The adapter.")]
Base = Annotated[str, typer.Option("--base", metavar="PATH_OR_HUB_ID", help="Base model.")]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        show_default="nyu-mll/glue on the hub",
        help="Folder of GLUE's own TSV files: MRPC/train.tsv, MRPC/dev.tsv, …",
    ),
]
Target = Annotated[str, typer.Option("--target", help="Target modules, separated by commas.")]
Rank = Annotated[int, typer.Option("--rank", "-r", min=1, help="r.")]
Alpha = Annotated[int, typer.Option("--alpha", min=1, help="α; ΔW is scaled by α/r.")]
Dropout = Annotated[float, typer.Option("--dropout", min=0, max=1, help="LoRA's.")]
Epochs = Annotated[float, typer.Option("--epochs", min=0, help="At most.")]
BatchSize = Annotated[
    int, typer.Option("--batch-size", min=1, help="Rows a step, over all devices together.")
]
MaxLength = Annotated[int, typer.Option("--max-length", min=2, help="Tokens a row, at most.")]
Warmup = Annotated[float, typer.Option("--warmup", min=0, max=1, help="Share of the steps.")]
WeightDecay = Annotated[float, typer.Option("--weight-decay", min=0, help="AdamW's.")]
Patience = Annotated[
    int,
    typer.Option("--patience", min=1, help="Stop after so many evaluations without a better one."),
]
GroupByLength = Annotated[
    bool,
    typer.Option(
        "--group-by-length",
        help="Batches of rows of like length: less padding, so faster; the paper does not.",
    ),
]
Precision = Annotated[
    PrecisionName, typer.Option("--precision", help="Of the forward pass; θ, A and B are float32.")
]
Checkpointing = Annotated[
    bool,
    typer.Option(
        "--gradient-checkpointing", help="Recompute activations: less memory, a third more time."
    ),
]
Seed = Annotated[int, typer.Option("--seed", help="Of initialisation, order and dropout.")]
Cpu = Annotated[bool, typer.Option("--cpu", help="Stay on the CPU.")]
TrainingConvention = Annotated[
    Convention,
    typer.Option("--convention", help="CondLoRA's: the paper's equations, or the released code."),
]


def _options(
    *,
    task: Task,
    method: Method = MethodName.lora,
    convention: TrainingConvention = Convention.consistent,
    base: Base = "FacebookAI/roberta-base",
    data: Data = None,
    target: Target = "query,value",
    rank: Rank = 8,
    alpha: Alpha = 8,
    dropout: Dropout = 0.0,
    epochs: Epochs = 100,
    batch_size: BatchSize = 16,
    max_length: MaxLength = 512,
    group_by_length: GroupByLength = False,
    warmup: Warmup = 0.1,
    weight_decay: WeightDecay = 0.1,
    patience: Patience = 30,
    precision: Precision = PrecisionName.float32,
    gradient_checkpointing: Checkpointing = False,
    seed: Seed = 0,
) -> Any:
    """The settings that a command's options make."""
    from ..training.settings import RunSettings

    return RunSettings(
        task=task,
        method=method.value,
        base=base,
        data=str(data) if data else None,
        convention=convention.value,
        target_modules=tuple(name.strip() for name in target.split(",") if name.strip()),
        rank=rank,
        alpha=alpha,
        dropout=dropout,
        epochs=epochs,
        batch_size=batch_size,
        max_length=max_length,
        group_by_length=group_by_length,
        warmup=warmup,
        weight_decay=weight_decay,
        patience=patience,
        precision=precision.value,
        gradient_checkpointing=gradient_checkpointing,
        seed=seed,
    )


def with_training_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a run; it is called with `settings` and with its own."""
    shared = inspect.signature(_options, eval_str=True).parameters
    # Torch and transformers, where RunSettings lives, are not imported to print a command's help.
    hints = get_type_hints(command, localns={"RunSettings": object}, include_extras=True)
    own = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[name])
        for name, parameter in inspect.signature(command).parameters.items()
        if name != "settings"
    ]

    @wraps(command)
    def wrapped(**chosen: Any) -> None:
        from .training_extra import training_libraries

        training_libraries()
        settings = _options(**{name: chosen.pop(name) for name in shared})
        command(settings=settings, **chosen)

    parameters = [*shared.values(), *own]
    wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {p.name: p.annotation for p in parameters}
    del wrapped.__wrapped__  # typer would read the annotations there
    return wrapped
