"""Options that say how an adapter is trained."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from ..terminal.comma_lists import names
from ..terminal.options import Convention


class MethodName(StrEnum):
    """Which adapter to train."""

    lora = "lora"
    condlora = "condlora"
    adalora = "adalora"
    condadalora = "condadalora"
    head_alone = "head-alone"


class SourceName(StrEnum):
    """What CondLoRA's factors are made of."""

    w0 = "w0"
    shuffled = "shuffled"
    gaussian = "gaussian"
    identity = "identity"


class HeadName(StrEnum):
    """Where a regression's answers begin."""

    mean = "mean"
    zero = "zero"


class PrecisionName(StrEnum):
    """Of the forward pass."""

    float32 = "float32"
    bfloat16 = "bfloat16"


class SamplerName(StrEnum):
    """Who proposes trials."""

    tpe = "tpe"
    qmc = "qmc"


Method = Annotated[MethodName, typer.Option("--method", help="The adapter.")]
Base = Annotated[str, typer.Option("--base", metavar="PATH_OR_HUB_ID", help="Base model.")]
Target = Annotated[str, typer.Option("--target", help="Target modules, separated by commas.")]
Rank = Annotated[int, typer.Option("--rank", "-r", min=1, help="r.")]
Alpha = Annotated[int, typer.Option("--alpha", min=1, help="α; ΔW is scaled by α/r.")]
Dropout = Annotated[float, typer.Option("--dropout", min=0, max=1, help="LoRA's.")]
Epochs = Annotated[
    float | None,
    typer.Option("--epochs", min=0, show_default="the paper's: 100; MNLI, QQP 50", help="At most."),
]
StopAfter = Annotated[
    float | None,
    typer.Option(
        "--stop-after",
        metavar="EPOCHS",
        min=0,
        show_default="never",
        help="End after so many, on the schedule of all --epochs; where ranks are allocated, before 0.6 of these they are over the budget.",
    ),
]
BatchSize = Annotated[
    int, typer.Option("--batch-size", min=1, help="Rows a step, over all devices together.")
]
MaxLength = Annotated[
    int,
    typer.Option(
        "--max-length",
        min=2,
        show_default="512, or as many as the base has positions for",
        help="Tokens a row, at most.",
    ),
]
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
    PrecisionName,
    typer.Option(
        "--precision",
        help="Of the forward pass; θ, A and B are float32. Half saves time where the device has instructions for it.",
    ),
]
Checkpointing = Annotated[
    bool,
    typer.Option(
        "--gradient-checkpointing", help="Recompute activations: less memory, a third more time."
    ),
]
Head = Annotated[
    HeadName,
    typer.Option("--head", help="Where a regression's answers begin: at the mean label, or at 0."),
]
TrainRows = Annotated[
    int | None,
    typer.Option(
        "--train-rows", min=1, show_default="all", help="Train on so many rows only: a quick try."
    ),
]
UnusedRows = Annotated[
    int | None,
    typer.Option(
        "--unused-rows",
        min=1,
        show_default="none",
        help="Never train on so many rows of train, for evaluate --part unused.",
    ),
]
UnusedSeed = Annotated[int, typer.Option("--unused-seed", help="Which rows these are.")]
Seed = Annotated[int, typer.Option("--seed", help="Of initialisation, order and dropout.")]
Cpu = Annotated[bool, typer.Option("--cpu", help="Stay on the CPU.")]
TrainingConvention = Annotated[
    Convention,
    typer.Option("--convention", help="CondLoRA's: the paper's equations, or the released code."),
]
TrainingSource = Annotated[
    SourceName,
    typer.Option(
        "--source",
        help="What CondLoRA's A and B are made of: each layer's W0; or a control: another layer's (shuffled), a Gaussian matrix "
        "of W0's norm, the identity (one A and one B for all layers).",
    ),
]


def run_fields(
    method: Method = MethodName.lora,
    convention: TrainingConvention = Convention.consistent,
    source: TrainingSource = SourceName.w0,
    base: Base = "FacebookAI/roberta-base",
    target: Target = "query,value",
    rank: Rank = 8,
    alpha: Alpha = 8,
    dropout: Dropout = 0.0,
    epochs: Epochs = None,
    stop_after: StopAfter = None,
    batch_size: BatchSize = 16,
    max_length: MaxLength = 512,
    group_by_length: GroupByLength = False,
    warmup: Warmup = 0.1,
    weight_decay: WeightDecay = 0.1,
    patience: Patience = 30,
    precision: Precision = PrecisionName.float32,
    gradient_checkpointing: Checkpointing = False,
    head: Head = HeadName.mean,
    train_rows: TrainRows = None,
    seed: Seed = 0,
    unused_rows: UnusedRows = None,
    unused_seed: UnusedSeed = 0,
) -> dict[str, Any]:
    """The other fields of a run's settings, but for the learning rate."""
    return {
        "method": method.value,
        "base": base,
        "convention": convention.value,
        "source": source.value,
        "target_modules": names(target),
        "rank": rank,
        "alpha": alpha,
        "dropout": dropout,
        "epochs": epochs,
        "stop_after": stop_after,
        "batch_size": batch_size,
        "max_length": max_length,
        "group_by_length": group_by_length,
        "warmup": warmup,
        "weight_decay": weight_decay,
        "patience": patience,
        "precision": precision.value,
        "gradient_checkpointing": gradient_checkpointing,
        "head": head.value,
        "train_rows": train_rows,
        "seed": seed,
        "unused_rows": unused_rows,
        "unused_seed": unused_seed,
    }
