"""One training run: one task, one method, one seed; the best checkpoint by development metric is kept."""

from __future__ import annotations

import math
import shutil
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import transformers
from peft import PeftModel
from torch.utils.data import Sampler
from torch.utils.tensorboard import SummaryWriter
from transformers import (
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)
from transformers.integrations import TensorBoardCallback

from ..errors import OutputError
from . import resuming
from .budget import Budget, has_budget
from .callbacks import (
    EvaluateLast,
    FindBest,
    SpeedMeter,
    StopEarly,
    StopIfDiverged,
    out_of_patience,
)
from .data import (
    Splits,
    Task,
    majority_score,
    mean_loss,
    open_data,
)
from .encoding import encode
from .frozen import round_frozen
from .head import centre_head
from .models import open_classifier, put_adapter
from .record import (
    TENSORBOARD,
    device_name,
    parameter_counts,
    score_history,
    versions,
    write_adapter,
)
from .resuming import CHECKPOINTS
from .sampling import LengthGrouped
from .settings import RunSettings

# Steps between evaluations in the released code; an epoch where that is shorter.
_LONGEST_INTERVAL = 1500
_EVALUATION_BATCH = 64


def train(
    settings: RunSettings,
    out: Path,
    *,
    resume: bool = False,
    use_cpu: bool = False,
    test: bool = True,
    keep_checkpoints: bool = False,
    command: str | None = None,
    callbacks: tuple[TrainerCallback, ...] = (),
) -> dict[str, Any]:
    """Train one adapter and write it, with ``run.json`` and TensorBoard's logs, to `out`.

    Under ``accelerate launch`` or ``torchrun`` every process calls this and the batch is shared out
    over them; the first writes.

    Args:
        settings: Task, method, base, hyperparameters, seed.
        out: Folder for the adapter. Checkpoints are kept in it until the run has ended.
        resume: Go on from the last checkpoint in `out`, if there is one.
        use_cpu: Stay on the CPU though there is a GPU.
        test: Also score the test rows; a search does not look at them.
        keep_checkpoints: Keep ``checkpoints/checkpoint-STEP`` of every evaluation, and of step 0, for
            `dynamics`; otherwise the last one is kept until the run has ended.
        command: The command line, to be written down in ``run.json``.
        callbacks: Further transformers callbacks, for progress and pruning.

    Returns:
        What ``run.json`` holds: settings, versions, data checksums, scores, parameters, speed.

    Raises:
        DataError: The data do not fit the task.
        BaseModelError: The base model is not found.
        SettingsError: The batch cannot be shared out over the processes, or the run to go on with
            was begun with other settings.
        DivergedError: The loss is not finite.
        OutputError: `out` holds a finished run, or cannot be written.
    """
    task, splits = open_data(settings.task, settings.data, settings.own)
    settings = settings.resolved()
    splits = splits._replace(train=splits.train[: settings.train_rows])
    resume_from = resuming.last_checkpoint(out, settings, splits.checksums, resume=resume)
    set_seed(settings.seed)
    classifier = open_classifier(settings.base, len(task.labels) if task.labels else 1)
    steps = _steps(settings, len(splits.train))
    model, tokenizer = put_adapter(settings, classifier, steps=steps), classifier.tokenizer
    # Else PEFT asks the hub at every checkpoint whether the vocabulary has grown, which it never does here.
    setattr(model, "save_pretrained", partial(model.save_pretrained, save_embedding_layers=False))  # noqa: B010
    budget = Budget(model) if has_budget(model) else None
    if budget is not None and resume_from is not None:
        budget.load(resume_from)
    if task.labels is None and settings.head == "mean":
        centre_head(model, splits.train)
    if settings.precision == "bfloat16":
        round_frozen(model)
    _make_folder(out)
    meter = SpeedMeter()
    trainer = _LensTrainer(
        settings=settings,
        budget=budget,
        model=model,
        args=_arguments(settings, out, len(splits.train), use_cpu, keep_checkpoints),
        train_dataset=cast(Any, encode(splits.train, tokenizer, settings.max_length)),
        eval_dataset=cast(Any, encode(splits.development, tokenizer, settings.max_length)),
        data_collator=DataCollatorWithPadding(tokenizer),
        processing_class=tokenizer,
        compute_metrics=partial(_measures, task),
        callbacks=[
            StopIfDiverged(),
            EvaluateLast(),
            StopEarly(settings.patience, after=-1 if budget is None else budget.last),
            FindBest(),
            meter,
            *([] if budget is None else [budget]),
            *callbacks,
        ],
    )
    trainer.remove_callback(transformers.PrinterCallback)
    if trainer.is_world_process_zero():
        resuming.begin(out, settings, splits.checksums)
        trainer.add_callback(TensorBoardCallback(SummaryWriter(str(out / TENSORBOARD))))
    if keep_checkpoints and resume_from is None and trainer.is_world_process_zero():
        start = out / CHECKPOINTS / "checkpoint-0"
        model.save_pretrained(str(start))
    started = time.perf_counter()
    trainer.train_from(resume_from)
    seconds = time.perf_counter() - started
    rows_a_step = len(splits.train) / math.ceil(len(splits.train) / settings.batch_size)
    ranks = {} if budget is None else {"ranks": budget.finish()}
    record = (
        _record(settings, task, splits, model, trainer)
        | ranks
        | {
            "base_commit": classifier.commit,
            "seconds": round(seconds, 1),
            "timed_steps": meter.steps,
            "train_examples_per_second": meter.examples_per_second(rows_a_step),
            "command": command,
        }
    )
    if test:
        encoded = encode(splits.test, tokenizer, settings.max_length)
        record["test_score"] = trainer.predict(cast(Any, encoded)).metrics["test_score"]
    if trainer.is_world_process_zero():
        write_adapter(model, settings.base, out, record)
        resuming.end(out)
        if not keep_checkpoints:
            shutil.rmtree(out / CHECKPOINTS)
    trainer.accelerator.wait_for_everyone()
    return record | {"writes": trainer.is_world_process_zero()}


class _LensTrainer(Trainer):
    """transformers' Trainer, with batches of rows of like length, and a resume that may have nothing to do."""

    def __init__(self, *, settings: RunSettings, budget: Budget | None, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._settings, self._budget = settings, budget

    def train_from(self, checkpoint: Path | None) -> None:
        """Train, or go on from a checkpoint: not a step more where that run had run out of patience."""
        if checkpoint is not None:
            state = resuming.state_of(checkpoint)
            after = -1 if self._budget is None else self._budget.last
            if out_of_patience(state.log_history, self._settings.patience, after):
                self.state = state
                resuming.find_best(state, Path(str(self.args.output_dir)))
                self._load_best_model()
                return
        self.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        """Beside them the budget's state: before ``trainer_state.json``, which makes a checkpoint whole."""
        super()._save_optimizer_and_scheduler(output_dir)
        if self._budget is not None and self.is_world_process_zero():
            self._budget.save(Path(output_dir))

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int] | None:
        if not self._settings.group_by_length:
            return super()._get_train_sampler(train_dataset)
        rows = cast(Any, train_dataset or self.train_dataset)
        return LengthGrouped(
            [len(row["input_ids"]) for row in rows],
            batch_size=self._settings.batch_size,
            seed=self._settings.seed,
        )


def _measures(task: Task, output: Any) -> dict[str, float]:
    """Score and loss of a Trainer's predictions.

    The Trainer's own loss counts the rows twice with which several devices fill up a short batch.
    """
    predicted = np.asarray(output.predictions, dtype=np.float64)
    labels = np.asarray(output.label_ids, dtype=np.float64)
    return {
        "score": task.metric(predicted, labels),
        "mean_loss": mean_loss(predicted, labels, regression=task.labels is None),
    }


def _arguments(
    settings: RunSettings, out: Path, rows: int, use_cpu: bool, keep_checkpoints: bool
) -> TrainingArguments:
    steps_an_epoch = math.ceil(rows / settings.batch_size)
    interval = min(steps_an_epoch, _LONGEST_INTERVAL)
    steps = _steps(settings, rows)
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
        use_cpu=use_cpu or not torch.accelerator.is_available(),
        dataloader_pin_memory=torch.cuda.is_available() and not use_cpu,
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


def _steps(settings: RunSettings, rows: int) -> int:
    return math.ceil((settings.epochs or 0) * math.ceil(rows / settings.batch_size))


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot write to {out}: {error.strerror}; choose another --out"
        ) from None


def _record(
    settings: RunSettings, task: Task, splits: Splits, model: PeftModel, trainer: Trainer
) -> dict[str, Any]:
    return {
        "settings": asdict(settings),
        "metric": task.metric.__name__,
        "rows": {
            "train": len(splits.train),
            "development": len(splits.development),
            "test": len(splits.test),
        },
        "data_sha256": splits.checksums,
        "rows_left_out": list(splits.left_out),
        "development_score": trainer.state.best_metric,
        "majority_score": majority_score(task, splits),
        "best_step": trainer.state.best_global_step,
        "steps": trainer.state.global_step,
        **parameter_counts(model),
        "history": score_history(trainer.state.log_history),
        "device": device_name(trainer.args.device),
        "processes": trainer.args.world_size,
        "versions": versions(),
    }
