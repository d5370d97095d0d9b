"""A training run's checkpoint folders, in the order of their steps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import AdapterError, FileFormatError
from .adapters_in import ENDINGS, is_adapter
from .json_files import read_json
from .local_files import LocalFiles
from .not_files import not_a_file
from .peft_names import CONFIG
from .run_names import CHECKPOINTS
from .tensors import open_tensors
from .whole_models import WHOLE, model_file

_NUMBERED = re.compile(r"checkpoint-([0-9]+)")
END = "end"


class RunPoint(NamedTuple):
    """One adapter or tuned model of a run: what it is called, its optimiser step (None for the run's own), its folder."""

    name: str
    step: int | None
    folder: Path


class RunPoints(NamedTuple):
    """The adapters of a run from first to last, or its tuned models, and what was passed over."""

    points: tuple[RunPoint, ...]
    notes: tuple[str, ...]


def run_points(run: Path, stems: Sequence[str], base: Path | None = None) -> RunPoints:
    """The checkpoints in ``RUN/`` and ``RUN/checkpoints/`` by step *number*, then RUN's own adapter or model.

    Trainers write a checkpoint's files one after the other, so an interrupted run leaves folders
    without weights, or with half a file: they are passed over with a note.

    Args:
        run: The folder.
        stems: What files with an adapter's tensors are called, without their endings; a message names the first.
        base: Where it is named, models that were tuned in full from it are taken, too; a checkpoint that is its folder is not.

    Raises:
        AdapterError: `run` is no folder, holds no whole checkpoint, one step twice, or adapters and whole models.
    """
    if not run.is_dir():
        raise AdapterError(
            f"{run} is {not_a_file(run) or 'not a folder'}; expected a run with checkpoint-* folders"
        )
    notes: list[str] = []
    found: dict[int, RunPoint] = {}
    for folder in sorted([*run.glob("checkpoint-*"), *run.glob(f"{CHECKPOINTS}/checkpoint-*")]):
        match = _NUMBERED.fullmatch(folder.name)
        if not folder.is_dir():
            continue
        if match is None:
            notes.append(f"{folder.name} is passed over: its name does not end in a step number")
        elif base is not None and base.is_dir() and folder.samefile(base):
            notes.append(f"{folder.name} is passed over: it is the base, and its ΔW zero")
        elif reason := why_not_whole(folder, stems, tuned=base is not None):
            notes.append(f"{folder.name} is passed over: {reason}")
        elif (step := int(match[1])) in found:
            raise AdapterError(
                f"{run} holds step {step} twice, in {found[step].folder} and {folder}; remove one"
            )
        else:
            found[step] = RunPoint(folder.name, step, folder)
    if not found:
        raise AdapterError(
            f"{run} holds no checkpoint-N folder with an adapter{' or a whole model' * (base is not None)}, itself or in checkpoints/"
            f"{f' ({notes[0]})' if notes else ''}; the checkpoints must be kept while training"
        )
    points = [found[step] for step in sorted(found)]
    points += _end_point(run, stems, points, notes)
    return RunPoints(tuple(points), tuple(notes))


def _end_point(
    run: Path, stems: Sequence[str], points: list[RunPoint], notes: list[str]
) -> list[RunPoint]:
    """The run's own adapter or model, where it has one of the kind of its checkpoints; what is not whole is noted."""
    of_models = any(_is_tuned(point.folder, stems) for point in points)
    reason = why_not_whole(run, stems, tuned=of_models)
    end = [] if reason else [RunPoint(END, None, run)]
    if reason and ((run / CONFIG).exists() or (of_models and _is_tuned(run, stems))):
        notes.append(f"the last checkpoint is the end point, for of the run itself {reason}")
    if of_models:
        _check_one_kind(run, stems, [*points, *end])
    return end


def _check_one_kind(run: Path, stems: Sequence[str], points: list[RunPoint]) -> None:
    adapters = [point.name for point in points if not _is_tuned(point.folder, stems)]
    if adapters:
        models = [point.name for point in points if point.name not in adapters]
        raise AdapterError(
            f"{run} holds adapters ({adapters[0]}) and whole models ({models[0]}), which are not of one run; move those of "
            f"one kind elsewhere"
        )


def _is_tuned(folder: Path, stems: Sequence[str]) -> bool:
    return not is_adapter(folder, stems) and bool(model_file(folder))


def why_not_whole(folder: Path, stems: Sequence[str], *, tuned: bool = False) -> str | None:
    """What an adapter's folder lacks, as half-written ones do; None where it is whole.

    Args:
        folder: It.
        stems: As in `run_points`.
        tuned: Whether it may be a model's that was tuned in full.
    """
    is_model = _is_tuned(folder, stems)
    if is_model and not tuned:
        return "it holds a whole model, and no adapter; where that was tuned in full, pass --base with what it was tuned from"
    find = LocalFiles(folder, within=not is_model)
    try:
        config = find("config.json" if is_model else CONFIG)
        if config is None:
            missing = "config.json" if is_model else CONFIG
            return (
                f"{missing} is missing{', and there is no whole model' * (tuned and not is_model)}"
            )
        read_json(config, AdapterError)
        called = WHOLE if is_model else tuple(stems)
        tensors = open_tensors(str(folder), find, called, ENDINGS)
        if tensors is None:
            return f"{stems[0]}.safetensors (or .bin) is missing"
        lacking = sorted(name for name in set(tensors.files.values()) if not tensors.find(name))
    except (AdapterError, FileFormatError) as error:
        return str(error)
    return f"{lacking[0]} is missing" if lacking else None
