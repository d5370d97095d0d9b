"""One training run: one task, one method, one seed; the best checkpoint by development metric is kept."""

from __future__ import annotations

import json
import math
import platform
import shutil
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import peft
import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from torch.nn import Linear
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    EarlyStoppingCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)
from transformers.pytorch_utils import Conv1D

from ..errors import AdapterError, BaseModelError, OutputError
from ..loaders.locate import is_hub_id, local_folder
from ..staging import staged
from .condlora import CondLoraConfig, Convention, get_condlora_model
from .glue import TASKS, Example, Splits, Task, load_task, majority_score

Method = Literal["lora", "condlora"]
_CHECKPOINTS = "checkpoints"
_LONGEST_INTERVAL = (
    1500  # steps between evaluations in the released code; an epoch where that is shorter
)


@dataclass(frozen=True)
class RunSettings:
    """Everything that decides a run's result. Defaults are the paper's and its released code's."""

    task: str
    method: Method
    base: str
    data: str | None = None
    convention: Convention = "consistent"
    target_modules: tuple[str, ...] = ("query", "value")
    rank: int = 8
    alpha: int = 8
    learning_rate: float | None = None
    epochs: float = 100
    batch_size: int = 16
    max_length: int = 512
    warmup: float = 0.1
    weight_decay: float = 0.1
    patience: int = 30
    seed: int = 0

    def resolved_learning_rate(self) -> float:
        """The learning rate asked for, or the one the paper found for this task and method."""
        if self.learning_rate is not None:
            return self.learning_rate
        return TASKS[self.task].learning_rates[0 if self.method == "lora" else 1]


def train(
    settings: RunSettings,
    out: Path,
    *,
    resume: bool = False,
    use_cpu: bool = False,
    command: str | None = None,
    callbacks: tuple[TrainerCallback, ...] = (),
) -> dict[str, Any]:
    """Train one adapter and write it, with ``run.json``, to `out`.

    Args:
        settings: Task, method, base, hyperparameters, seed.
        out: Folder for the adapter. Checkpoints are kept in it until the run has ended.
        resume: Go on from the last checkpoint in `out`.
        use_cpu: Stay on the CPU though there is a GPU.
        command: The command line, to be written down in ``run.json``.
        callbacks: Further transformers callbacks, for progress.

    Returns:
        What ``run.json`` holds: settings, versions, data checksums, scores, parameters, speed.

    Raises:
        DataError: The data do not fit the task.
        BaseModelError: The base model is not found.
        OutputError: `out` holds a finished run, or cannot be written.
    """
    splits = load_task(settings.task, Path(settings.data) if settings.data else None)
    task = TASKS[settings.task]
    resume_from = _last_checkpoint(out, resume)
    set_seed(settings.seed)
    tokenizer, base = _open_base(settings.base, len(task.labels) if task.labels else 1)
    model = _adapted(settings, base)
    _make_folder(out)
    per_epoch = math.ceil(len(splits.train) / settings.batch_size)
    interval = min(per_epoch, _LONGEST_INTERVAL)
    arguments = TrainingArguments(
        output_dir=str(out / _CHECKPOINTS),
        learning_rate=settings.resolved_learning_rate(),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch_size,
        per_device_eval_batch_size=64,
        lr_scheduler_type="linear",
        warmup_steps=settings.warmup,
        weight_decay=settings.weight_decay,
        eval_strategy="steps",
        eval_steps=interval,
        save_strategy="steps",
        save_steps=interval,
        save_total_limit=1,
        logging_strategy="steps",
        logging_steps=interval,
        load_best_model_at_end=True,
        metric_for_best_model="score",
        greater_is_better=True,
        seed=settings.seed,
        report_to="none",
        use_cpu=use_cpu,
        dataloader_pin_memory=torch.cuda.is_available() and not use_cpu,
        disable_tqdm=True,
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=cast(Any, _encode(splits.train, tokenizer, settings.max_length)),
        eval_dataset=cast(Any, _encode(splits.development, tokenizer, settings.max_length)),
        data_collator=DataCollatorWithPadding(tokenizer),
        processing_class=tokenizer,
        compute_metrics=lambda output: {"score": _score(task, output)},
        callbacks=[EarlyStoppingCallback(settings.patience), *callbacks],
    )
    trainer.remove_callback(transformers.PrinterCallback)
    started = time.perf_counter()
    outcome = trainer.train(resume_from_checkpoint=resume_from)
    seconds = time.perf_counter() - started
    test = _encode(splits.test, tokenizer, settings.max_length)
    test_score = trainer.predict(cast(Any, test)).metrics["test_score"]
    record = _record(settings, task, splits, model, trainer) | {
        "test_score": test_score,
        "seconds": round(seconds, 1),
        "train_examples_per_second": round(outcome.metrics["train_samples_per_second"], 2),
        "command": command,
    }
    _write_adapter(model, settings.base, out, record)
    return record


def _last_checkpoint(out: Path, resume: bool) -> str | None:
    """The checkpoint to go on from, if there is one and it was asked for."""
    if (out / "adapter_config.json").exists():
        raise OutputError(f"{out} already holds an adapter; choose another --out")
    checkpoints = sorted(
        (path.parent for path in (out / _CHECKPOINTS).glob("checkpoint-*/trainer_state.json")),
        key=lambda path: int(path.name.split("-")[1]),
    )
    if checkpoints and not resume:
        raise OutputError(
            f"{out} holds an unfinished run; go on with --resume or choose another --out"
        )
    return str(checkpoints[-1]) if checkpoints else None


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot write to {out}: {error.strerror}; choose another --out"
        ) from None


def _open_base(base: str, labels: int) -> tuple[Any, Any]:
    """Tokenizer and model with a new head, from a folder, the extra ``demo``, or the hub."""
    folder = local_folder(base)
    if folder is None and not is_hub_id(base):
        raise BaseModelError(
            f"base model {base!r} is no folder; pass --base with a folder or hub id"
        )
    source = str(folder or base)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source)
        return tokenizer, AutoModelForSequenceClassification.from_pretrained(
            source, num_labels=labels
        )
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0]
        raise BaseModelError(f"base model {base!r} cannot be loaded: {reason}") from error


def _adapted(settings: RunSettings, model: Any) -> PeftModel:
    shared = {
        "task_type": "SEQ_CLS",
        "r": settings.rank,
        "lora_alpha": settings.alpha,
        "lora_dropout": 0.0,
        "target_modules": list(settings.target_modules),
    }
    _check_targets(settings, model)
    if settings.method == "condlora":
        return get_condlora_model(model, CondLoraConfig(convention=settings.convention, **shared))
    return cast(PeftModel, get_peft_model(model, LoraConfig(**shared)))


def _check_targets(settings: RunSettings, model: Any) -> None:
    linear = [
        name for name, module in model.named_modules() if isinstance(module, (Linear, Conv1D))
    ]
    for target in settings.target_modules:
        if not any(name == target or name.endswith(f".{target}") for name in linear):
            have = ", ".join(sorted({name.rsplit(".", 1)[-1] for name in linear}))
            raise AdapterError(f"{settings.base} has no linear layer {target!r}; it has: {have}")


def _encode(examples: list[Example], tokenizer: Any, max_length: int) -> list[dict[str, Any]]:
    first = [example.first for example in examples]
    second = [example.second for example in examples]
    encoded = tokenizer(
        first,
        second if second[0] is not None else None,
        truncation=True,
        max_length=max_length,
    )
    return [
        {name: values[row] for name, values in encoded.items()} | {"label": example.label}
        for row, example in enumerate(examples)
    ]


def _score(task: Task, output: Any) -> float:
    return task.metric(np.asarray(output.predictions), np.asarray(output.label_ids))


def _record(
    settings: RunSettings, task: Task, splits: Splits, model: PeftModel, trainer: Trainer
) -> dict[str, Any]:
    history = [
        {
            "epoch": round(row["epoch"], 4),
            "step": row["step"],
            "development_score": row["eval_score"],
            "development_loss": row["eval_loss"],
        }
        for row in trainer.state.log_history
        if "eval_score" in row
    ]
    heads = ("classifier", "score", "modules_to_save")
    trainable = {name: p.numel() for name, p in model.named_parameters() if p.requires_grad}
    head = sum(
        size for name, size in trainable.items() if any(part in name.split(".") for part in heads)
    )
    return {
        "settings": asdict(settings) | {"learning_rate": settings.resolved_learning_rate()},
        "metric": task.metric.__name__,
        "rows": {"train": len(splits.train), "development": len(splits.development), "test": len(splits.test)},
        "data_sha256": splits.checksums,
        "development_score": trainer.state.best_metric,
        "majority_score": majority_score(task, splits),
        "best_step": trainer.state.best_global_step,
        "steps": trainer.state.global_step,
        "trainable_parameters": sum(trainable.values()) - head,
        "head_parameters": head,
        "history": history,
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "peft": peft.__version__,
            "lora-lens": version("lora-lens"),
        },
    }  # fmt: skip


def _write_adapter(model: PeftModel, base: str, out: Path, record: dict[str, Any]) -> None:
    for config in model.peft_config.values():
        config.base_model_name_or_path = base
    with staged(out, last="adapter_config.json") as folder:
        model.save_pretrained(str(folder), save_embedding_layers=False)
        (folder / "run.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        (folder / "README.md").unlink(missing_ok=True)  # PEFT's empty model card
    shutil.rmtree(out / _CHECKPOINTS)
