"""One training run: one task, one method, one seed; the best checkpoint by development metric is kept."""

from __future__ import annotations

import atexit
import math
import shutil
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import transformers
from transformers import (
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from ..files.revisions import folder_of, split_revision
from ..files.run_names import CHECKPOINTS, TENSORBOARD
from ..ledger import one_command, reads
from . import resuming
from .alone import alone
from .answers import logits_of
from .arguments import training_arguments
from .callbacks import (
    EvaluateLast,
    FindBest,
    SpeedMeter,
    StopAtEnding,
    StopIfDiverged,
)
from .data import (
    Splits,
    Task,
    majority_score,
    mean_loss,
    open_data,
    set_aside,
)
from .data.varied import check_varied, warn_if_zero
from .disk import Logs, writing
from .encoding import encode
from .ending import Ending
from .models import (
    NewHeadWarning,
    warn_if_replaced,
)
from .precision import warn_if_emulated
from .ready import Ready, made_ready
from .record import (
    FORMAT,
    device_name,
    parameter_counts,
    score_history,
    versions,
    write_adapter,
)
from .settings import RunSettings
from .trainer import LensTrainer


@one_command()
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
        resume: Go on from the last checkpoint in `out`, if there is one; of a run that has ended there and
            was made so, its record is returned.
        use_cpu: Stay on the CPU though there is a GPU.
        test: Also score the test rows; a search does not look at them.
        keep_checkpoints: Keep ``checkpoints/checkpoint-STEP`` of every evaluation, and of step 0, for
            `dynamics`; otherwise the last one is kept until the run has ended.
        command: The command line, to be written down in ``run.json``.
        callbacks: Further transformers callbacks, for progress and pruning.

    Returns:
        What ``run.json`` holds: settings, versions, data checksums, scores, parameters, speed.

    Raises:
        DataError: The data do not fit the task, or all labels to learn from are one.
        BaseModelError: The base model is not found.
        SettingsError: The batch cannot be shared out over the processes, rows cannot be cut to that
            length, or the run to go on with was begun with other settings.
        DivergedError: The loss is not finite.
        RecordError: A record of the run to go on with is broken.
        OutputError: `out` holds a finished run, or another process trains in it, or it cannot be written.
    """
    task, splits = open_data(settings.task, settings.data, settings.own)
    settings = settings.resolved()
    splits, _ = set_aside(splits, settings.unused_rows, settings.unused_seed)
    splits = splits._replace(train=splits.train[: settings.train_rows])
    if resume:
        made = resuming.ended(out, settings, splits.checksums, test=test, keep=keep_checkpoints)
        if made is not None:
            return made
    check_varied(task, splits)
    if (base := folder_of(*split_revision(settings.base))) is not None:
        reads(base)  # before all in `out` is the run's own
    with alone(out):
        return _train(
            settings,
            task,
            splits,
            out,
            resume=resume,
            use_cpu=use_cpu,
            test=test,
            keep_checkpoints=keep_checkpoints,
            command=command,
            callbacks=callbacks,
        )


def _train(
    settings: RunSettings,
    task: Task,
    splits: Splits,
    out: Path,
    *,
    resume: bool,
    use_cpu: bool,
    test: bool,
    keep_checkpoints: bool,
    command: str | None,
    callbacks: tuple[TrainerCallback, ...],
) -> dict[str, Any]:
    """As `train`, in a folder that no other run is in."""
    resume_from = resuming.last_checkpoint(out, settings, splits.checksums, resume=resume)
    begun_under = versions() if resume_from is None else resuming.begun_under(out)
    set_seed(settings.seed)
    ready = made_ready(settings, task, splits, resume_from)
    meter = SpeedMeter()
    arguments = training_arguments(settings, out, len(splits.train), use_cpu, keep_checkpoints)
    trainer = _trainer(settings, task, splits, ready, arguments, meter, callbacks)
    first = trainer.is_world_process_zero()
    if first:
        _warn(settings, task, ready, trainer)
        if test:
            warn_if_zero(task, splits.test, "test")
        resuming.begin(out, settings, splits.checksums, begun_under)
        resuming.drop_later(out, resume_from)
        trainer.add_callback(Logs(out / TENSORBOARD, after=resuming.steps_of(resume_from)))
        if keep_checkpoints and resume_from is None:
            with writing(out / CHECKPOINTS):
                ready.model.save_pretrained(str(out / CHECKPOINTS / "checkpoint-0"))
    trainer.train_from(resume_from)
    seconds = trainer.seconds
    record = _record(settings, task, splits, ready, trainer) | {
        "seconds": round(seconds, 1),
        **_speed(settings, splits, meter),
        "command": command,
    }
    if begun_under != record["versions"]:
        record["begun_under"] = begun_under
    if test:
        encoded = encode(splits.test, ready.classifier.tokenizer, ready.length)
        record["test_score"] = trainer.predict(cast(Any, encoded)).metrics["test_score"]
    if first:
        write_adapter(ready.model, settings.base, out, record)
        if not keep_checkpoints:
            shutil.rmtree(out / CHECKPOINTS)
        resuming.end(out)
    trainer.accelerator.wait_for_everyone()
    # A process that ends in a group of gloo's may abort, and then torchrun ends the one that still writes.
    atexit.register(trainer.accelerator.state.destroy_process_group)
    return record


def _trainer(
    settings: RunSettings,
    task: Task,
    splits: Splits,
    ready: Ready,
    arguments: TrainingArguments,
    meter: SpeedMeter,
    callbacks: Sequence[TrainerCallback],
) -> LensTrainer:
    tokenizer, budget = ready.classifier.tokenizer, ready.budget
    last = -1 if budget is None else budget.last
    ending = Ending(settings.patience, after=last, stop_after=settings.stop_after)
    trainer = LensTrainer(
        settings=settings,
        budget=budget,
        ending=ending,
        model=ready.model,
        args=arguments,
        train_dataset=cast(Any, encode(splits.train, tokenizer, ready.length)),
        eval_dataset=cast(Any, encode(splits.development, tokenizer, ready.length)),
        data_collator=DataCollatorWithPadding(tokenizer),
        processing_class=tokenizer,
        compute_metrics=partial(_measures, task),
        preprocess_logits_for_metrics=logits_of,
        callbacks=[
            StopIfDiverged(),
            EvaluateLast(),
            StopAtEnding(ending),
            FindBest(),
            meter,
            *([] if budget is None else [budget]),
            *callbacks,
        ],
    )
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


def _warn(settings: RunSettings, task: Task, ready: Ready, trainer: Trainer) -> None:
    warn_if_replaced(ready.classifier, settings.base, task.outputs)
    if ready.centred is False:
        warnings.warn(
            f"the head of {settings.base} has no bias to begin at the mean label, and begins at 0",
            NewHeadWarning,
            stacklevel=3,
        )
    if settings.precision == "bfloat16":
        warn_if_emulated(trainer.args.device)


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


def _record(
    settings: RunSettings, task: Task, splits: Splits, ready: Ready, trainer: Trainer
) -> dict[str, Any]:
    """All that the run's record has but how long it took."""
    made: dict[str, Any] = {
        "format": FORMAT,
        "settings": settings.as_written(),
        "metric": task.metric.__name__,
        "rows": {
            "train": len(splits.train),
            "development": len(splits.development),
            "test": len(splits.test),
        },
        "data_sha256": splits.checksums,
        "rows_left_out": list(splits.left_out),
        "development_score": trainer.state.best_metric,
        "labels": None if task.labels is None else list(task.labels),
        "majority_score": majority_score(task, splits.train, splits.test),
        "best_step": trainer.state.best_global_step,
        "steps": trainer.state.global_step,
        **parameter_counts(ready.model),
        "history": score_history(trainer.state.log_history),
        "device": device_name(trainer.args.device),
        "processes": trainer.args.world_size,
        "versions": versions(),
    }
    if ready.budget is not None:
        made["ranks"] = ready.budget.finish()
        if trainer.is_world_process_zero():
            ready.budget.warn_if_over(made["ranks"])
    if ready.classifier.replaced is not None:
        made["replaced_head"] = ready.classifier.replaced
    if ready.centred is False:
        made["head_began"] = "zero"
    if ready.length != settings.max_length:
        made["cut_at"] = ready.length
    return made | {"outputs": task.outputs, "base_commit": ready.classifier.commit}


def _speed(settings: RunSettings, splits: Splits, meter: SpeedMeter) -> dict[str, Any]:
    rows_a_step = len(splits.train) / math.ceil(len(splits.train) / settings.batch_size)
    return {
        "timed_steps": meter.steps,
        "train_examples_per_second": meter.examples_per_second(rows_a_step),
    }
