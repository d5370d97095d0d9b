"""The score of a saved adapter, ours or PEFT's, on a task's rows."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from peft import PeftModel
from safetensors import SafetensorError
from transformers import DataCollatorWithPadding

from ..errors import AdapterError, DataError, SettingsError
from ..files.revisions import with_revision
from ..files.run_names import RECORD
from ..files.tensors import TensorStore
from ..formats.adapter_files import AdapterFiles
from ..formats.format import format_of
from ..formats.opening import open_adapter
from .answers import logits_of, taken_by
from .as_asked import CHECKSUMS, by_source
from .condlora import load_condlora_model
from .data import (
    Example,
    OwnData,
    Splits,
    majority_score,
    open_data,
    set_aside,
)
from .data.varied import warn_if_zero
from .device import run_device
from .encoding import encode
from .lengths import checked_length
from .models import NO_TARGET, Classifier, open_classifier
from .record import device_name, read_run
from .settings import LONGEST

_BATCH = 64
Part = Literal["test", "development", "unused"]


class Scored(NamedTuple):
    """A score, and what it was made from.

    Attributes:
        evaluation: The score.
        answers: One a row of the data, in its order: the class that was chosen, or the number.
    """

    evaluation: Evaluation
    answers: list[int] | list[float]


@dataclass(frozen=True)
class Evaluation:
    """One adapter's score on one task.

    Attributes:
        adapter, base, task, part: What was scored, and on which rows.
        metric: The task's.
        score: Its value; larger is better.
        majority_score: Its value when every row gets the commonest label (or mean) of the rows that it was trained on; of all
            training rows where its record does not say which.
        rows: How many.
        device: Where it was computed.
    """

    adapter: str
    base: str
    task: str
    part: str
    metric: str
    score: float
    majority_score: float
    rows: int
    device: str


def evaluate(
    adapter: Path,
    task: str,
    data: str | None = None,
    *,
    own: OwnData | None = None,
    base: str | None = None,
    part: Part = "test",
    max_length: int | None = None,
    use_cpu: bool = False,
) -> Evaluation:
    """Load a saved adapter onto its base model and score it; see `answer`."""
    return answer(
        adapter, task, data,
        own=own, base=base, part=part, max_length=max_length, use_cpu=use_cpu,
    ).evaluation  # fmt: skip


def answer(
    adapter: Path,
    task: str,
    data: str | None = None,
    *,
    own: OwnData | None = None,
    base: str | None = None,
    part: Part = "test",
    max_length: int | None = None,
    use_cpu: bool = False,
) -> Scored:
    """Load a saved adapter onto its base model and score it, with the answer to every row.

    Args:
        adapter: Folder of an adapter with a classification head: lora-lens's or PEFT's.
        task, data, own: As in `RunSettings`.
        base: Base model; by default the one that the adapter names.
        part: ``test``, GLUE's development set; ``development``, the tenth of train held out; or ``unused``, the rows of
            train that were set aside from the run and never trained on, as its ``run.json`` says.
        max_length: Tokens a row; by default the run's own, or 512, and no more of them than the base
            model has positions for.
        use_cpu: Stay on the CPU though there is a GPU.

    Raises:
        AdapterError: The folder is no adapter, names no base model, or its head does not fit the task.
        FileFormatError: Its tensors are truncated or corrupt.
        RecordError: The ``run.json`` beside it is broken.
        DataError: The data do not fit the task.
        BaseModelError: The base model is not found.
        SettingsError: Rows cannot be cut to `max_length`, or the run set no rows aside.
    """
    known, splits = open_data(task, data, own)
    files = open_adapter(adapter, base)
    record = _record_beside(adapter)
    splits, unused = _as_trained(adapter, record, task, splits, part)
    _check_classes(adapter, record, known.labels)
    named = files.base_model
    if named is None:
        raise AdapterError(f"{adapter} names no base model; pass --base")
    classifier = open_classifier(named, known.outputs, files.revision)
    _check_head(adapter, files.tensors, classifier)
    adapted = _load(files, adapter, classifier.model)
    device = run_device(use_cpu=use_cpu)
    examples = {"test": splits.test, "development": splits.development, "unused": unused}[part]
    warn_if_zero(known, examples, part)
    asked, given = max_length or _trained_length(record), bool(max_length)
    length = checked_length(asked, classifier, named, pairs=known.pairs, given=given)
    predicted = _predict(adapted.to(device).eval(), examples, classifier.tokenizer, length)
    labels = np.array([example.label for example in examples], dtype=np.float64)
    evaluation = Evaluation(
        adapter=str(adapter),
        base=str(with_revision(named, files.revision)),
        task=task,
        part=part,
        metric=known.metric.__name__,
        score=known.metric(predicted, labels),
        majority_score=majority_score(known, splits.train[: _trained_rows(record, task)], examples),
        rows=len(examples),
        device=device_name(device),
    )
    return Scored(evaluation, _answers(predicted, known.labels is not None))


def _answers(predicted: NDArray[np.float64], classes: bool) -> list[int] | list[float]:
    if classes:
        return [int(found) for found in predicted.argmax(-1)]
    return [float(found) for found in predicted[:, 0]]


def _check_head(folder: Path, tensors: TensorStore, classifier: Classifier) -> None:
    """What the base model lacks has to come with the adapter, or the answers would be random."""
    for name in classifier.new:
        stored = next((each for each in tensors.files if each.endswith(f".{name}")), None)
        if stored is None:
            raise AdapterError(
                f"neither {folder} nor its base model has {name}, so its answers would be random; "
                f"expected an adapter that was saved with its classification head"
            )
        found, wanted = tensors.shape(stored), classifier.model.get_parameter(name).shape
        if found != wanted:
            raise AdapterError(
                f"{folder} has {name} of shape {tuple(found)}, the task needs {tuple(wanted)}; was "
                f"it trained on another task?"
            )


def _load(files: AdapterFiles, folder: Path, model: Any) -> PeftModel:
    no_layer = files.config.get("target_modules") == NO_TARGET
    if not no_layer and format_of(files).thetas is not None:
        return load_condlora_model(model, folder)
    try:
        with warnings.catch_warnings():
            # PEFT says so of every AdaLoRA adapter, whose rank_pattern has names that LoRA's has not.
            warnings.filterwarnings("ignore", message="The following rank_pattern keys")
            return PeftModel.from_pretrained(model, str(folder))
    except (RuntimeError, ValueError, KeyError, OSError, SafetensorError) as error:
        reason = str(error).strip().splitlines()
        raise AdapterError(
            f"PEFT cannot load {folder}: {' '.join(reason[:2])[:300] if reason else error!r}"
        ) from error


def _record_beside(adapter: Path) -> dict[str, Any]:
    """Its ``run.json``; empty where it comes without."""
    return read_run(adapter) if (adapter / RECORD).exists() else {}


def _check_classes(adapter: Path, record: dict[str, Any], labels: tuple[str, ...] | None) -> None:
    """The head's outputs are of the classes that it was trained on, in their order."""
    trained = record.get("labels")
    if isinstance(trained, list) and labels is not None and trained != list(labels):
        raise AdapterError(
            f"{adapter} was trained on the classes {', '.join(map(str, trained))}, these data have {', '.join(labels)}; "
            f"expected the same in the same order"
        )


def _trained_length(record: dict[str, Any]) -> int:
    """The run's own `max_length`, where its record says it."""
    settings = record.get("settings")
    return int(settings.get("max_length", LONGEST)) if isinstance(settings, dict) else LONGEST


def _as_trained(
    adapter: Path, record: dict[str, Any], task: str, splits: Splits, part: Part
) -> tuple[Splits, list[Example]]:
    """The splits without the rows that the run set aside, and these.

    Raises:
        SettingsError: They are to be scored, and there are none.
        DataError: They are to be scored, and the data are not those that the run was trained on.
    """
    settings = record.get("settings")
    settings = settings if isinstance(settings, dict) and settings.get("task") == task else {}
    rows = settings.get("unused_rows")
    if part == "unused":
        if rows is None:
            raise SettingsError(
                f"{adapter} has no run.json that says which rows of {task} it was not trained on; train with --unused-rows, "
                f"or score another part"
            )
        if by_source(settings, record.get(CHECKSUMS) or {}) != by_source(
            settings, splits.checksums
        ):
            raise DataError(
                f"{adapter} was trained on other data than these, of which some may be what it was trained on; give the same"
            )
    return set_aside(splits, rows, settings.get("unused_seed", 0))


def _trained_rows(record: dict[str, Any], task: str) -> int | None:
    """How many of the task's training rows the run saw, where its record says fewer than all."""
    settings = record.get("settings")
    if not isinstance(settings, dict) or settings.get("task") != task:
        return None
    return settings.get("train_rows")


def _predict(
    model: PeftModel, examples: list[Example], tokenizer: Any, max_length: int
) -> NDArray[np.float64]:
    """The logits of every row, in order; batches hold rows of like length to save padding."""
    rows = encode(examples, tokenizer, max_length)
    order = sorted(range(len(rows)), key=lambda row: len(rows[row]["input_ids"]))
    collate = DataCollatorWithPadding(tokenizer)
    device = next(model.parameters()).device
    found: dict[int, NDArray[np.float64]] = {}
    with torch.inference_mode():
        for start in range(0, len(order), _BATCH):
            chosen = order[start : start + _BATCH]
            batch = collate([rows[row] for row in chosen]).to(device)
            labels = batch.pop("labels")
            given = model(**taken_by(model.get_base_model(), batch)).logits
            logits = logits_of(given, labels).cpu().double().numpy()
            found.update(zip(chosen, logits, strict=True))
    return np.stack([found[row] for row in range(len(rows))])
