"""A run's settings as transformers' Trainer takes them."""

from __future__ import annotations

import math
from pathlib import Path

from transformers import TrainingArguments

from ..files.run_names import CHECKPOINTS
from .device import run_device
from .settings import RunSettings

# Steps between evaluations in the released code; an epoch where that is shorter.
_LONGEST_INTERVAL = 1500
_EVALUATION_BATCH = 64


def training_arguments(
    settings: RunSettings, out: Path, rows: int, use_cpu: bool, keep_checkpoints: bool
) -> TrainingArguments:
    """The arguments of one run.

    Args:
        settings: Of the run.
        out: Its folder.
        rows: How many it trains on.
        use_cpu: Stay on the CPU though there is a GPU.
        keep_checkpoints: Keep that of every evaluation.
    """
    steps_an_epoch = math.ceil(rows / settings.batch_size)
    interval = min(steps_an_epoch, _LONGEST_INTERVAL)
    steps, device = optimiser_steps(settings, rows), run_device(use_cpu=use_cpu)
    arguments = TrainingArguments(
        output_dir=str(out / CHECKPOINTS),
        learning_rate=settings.learning_rate,
        num_train_epochs=settings.epochs,
        per_device_eval_batch_size=_EVALUATION_BATCH,
        lr_scheduler_type="linear",
        # Steps, because transformers takes a share of 1 for one step.
        warmup_steps=math.ceil(settings.warmup * steps),
        weight_decay=settings.weight_decay,
        eval_strategy="steps",
        eval_steps=interval,
        save_strategy="steps",
        save_steps=interval,
        save_total_limit=None if keep_checkpoints else 1,
        logging_strategy="steps",
        logging_steps=interval,
        load_best_model_at_end=True,
        metric_for_best_model="score",
        greater_is_better=True,
        seed=settings.seed,
        bf16=settings.precision == "bfloat16",
        gradient_checkpointing=settings.gradient_checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False},
        report_to="none",
        # Without an accelerator transformers refuses bf16 unless it is told to stay on the CPU.
        use_cpu=device.type == "cpu",
        dataloader_pin_memory=device.type == "cuda",
        disable_tqdm=True,
        # The losses of these models are means over rows; summed over devices they would be too large
        # by the number of devices, and their gradients be clipped too early.
        average_tokens_across_devices=False,
        ddp_find_unused_parameters=False,
    )
    # Several cards in one process would train in transformers' old DataParallel with a larger batch
    # than asked for; several cards are used through accelerate launch or torchrun.
    if arguments.n_gpu > 1:
        arguments._n_gpu = 1
    arguments.per_device_train_batch_size = settings.rows_a_device(arguments.world_size)
    return arguments


def optimiser_steps(settings: RunSettings, rows: int) -> int:
    """How many steps a run takes, over that many rows."""
    return math.ceil(settings.most_epochs * math.ceil(rows / settings.batch_size))
